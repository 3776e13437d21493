//! What a captcha is asked for, and who checks it.

use std::sync::Arc;

use keystead_application::captcha::{CaptchaDesk, CaptchaGate};

use super::{Ports, Stores};

/// The gate in front of what is worth one.
pub(super) fn gate(ports: &Ports, stores: &Stores) -> Arc<CaptchaGate> {
    let desk = CaptchaDesk {
        store: stores.store.clone(),
        ceremonies: stores.ceremonies.clone(),
        hash: ports.hash.clone(),
        clock: ports.clock.clone(),
    };
    Arc::new(CaptchaGate::new(None, Vec::new(), desk))
}
