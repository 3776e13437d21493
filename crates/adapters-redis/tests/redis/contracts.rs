//! Every contract of every port Redis implements, on a single server and on a cluster.

macro_rules! all_contracts {
    ($topology:ident) => {
        mod $topology {
            use std::future::ready;

            use keystead_testkit::Harness;

            use crate::servers;

            keystead_testkit::session_contracts!(ready(Harness::new(servers::open(&servers::$topology()).sessions())));
            keystead_testkit::ceremony_contracts!(ready(Harness::new(
                servers::open(&servers::$topology()).ceremonies()
            )));
            keystead_testkit::rate_limiter_contracts!(ready(Harness::new(
                servers::open(&servers::$topology()).rate_limiter()
            )));
            keystead_testkit::revocation_feed_contracts!(ready(Harness::new(
                servers::open(&servers::$topology()).revocation_feed(servers::prefix())
            )));
        }
    };
}

all_contracts!(single);
all_contracts!(cluster);
