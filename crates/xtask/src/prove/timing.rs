//! G01: how well the time of an answer tells whether an account exists.

use super::Bed;
use super::report::Report;
use super::srp;
use crate::api::{self, Api};
use crate::sample::Chance;
use crate::{Outcome, sample};

/// Makes the n-th request of a class. What has to be asked for before is not timed.
type Class<'a> = &'a dyn Fn(&mut Api, usize) -> Outcome<Vec<u8>>;

/// Two kinds of request nobody may be able to tell apart.
struct Pair<'a> {
    promise: &'a str,
    /// What both answer.
    status: u16,
    a: Class<'a>,
    b: Class<'a>,
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("timing")?;
    let mut api = Api::at(service.address());
    let (known, with_srp) = ("known@example.com", "verifier@example.com");
    api.sign_up(known)?;
    srp::sign_up(&mut api, with_srp)?;
    let samples = bed.times(300, 2000);
    let mut chance = bed.chance();
    let unknown = |n: usize| format!("unknown{n}@example.com");
    let pairs = [
        Pair {
            promise: "login: unknown account, wrong password",
            status: 401,
            a: &|_, n| Ok(api::login_request(&unknown(n), "not-the-password-17")),
            b: &|_, _| Ok(api::login_request(known, "not-the-password-17")),
        },
        Pair {
            promise: "register: new address, taken address",
            status: 201,
            a: &|_, n| Ok(api::register_request(&format!("new{n}@example.com"))),
            b: &|_, _| Ok(api::register_request(known)),
        },
        Pair {
            promise: "forgot: unknown account, known account",
            status: 202,
            a: &|_, n| Ok(api::forgot_request(&unknown(n))),
            b: &|_, _| Ok(api::forgot_request(known)),
        },
        Pair {
            promise: "SRP challenge: unknown account, account with a verifier",
            status: 200,
            a: &|_, n| Ok(srp::challenge_request(&unknown(n))),
            b: &|_, _| Ok(srp::challenge_request(with_srp)),
        },
        Pair {
            promise: "SRP challenge: account with a password, account with a verifier",
            status: 200,
            a: &|_, _| Ok(srp::challenge_request(known)),
            b: &|_, _| Ok(srp::challenge_request(with_srp)),
        },
        Pair {
            promise: "SRP login: unknown account, wrong proof",
            status: 401,
            a: &|api, n| srp::wrong_login_request(api, &unknown(n)),
            b: &|api, _| srp::wrong_login_request(api, with_srp),
        },
        Pair {
            promise: "login: unknown account, account with a verifier",
            status: 401,
            a: &|_, n| Ok(api::login_request(&unknown(n), "not-the-password-17")),
            b: &|_, _| Ok(api::login_request(with_srp, "not-the-password-17")),
        },
    ];
    for pair in &pairs {
        compare(&mut api, pair, samples, &mut chance, report)?;
    }
    Ok(())
}

/// Takes samples of both classes in turn, in random order, and adds what they tell.
fn compare(api: &mut Api, pair: &Pair<'_>, samples: usize, chance: &mut Chance, report: &mut Report) -> Outcome {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for n in 0..samples {
        let first_a = chance.next().is_multiple_of(2);
        for of_a in [first_a, !first_a] {
            let request = if of_a { (pair.a)(api, n) } else { (pair.b)(api, n) }?;
            let (took, reply) = sample::timed(|| api.send(&request));
            reply?.expect(pair.status, pair.promise)?;
            if of_a { &mut a } else { &mut b }.push(took);
        }
    }
    let auc = sample::auc(&a, &b);
    // With few samples chance alone moves the figure: the bound is never tighter than three standard errors.
    let bound = (3.0 * sample::auc_error(samples, samples)).max(0.05);
    let seen = format!(
        "AUC {auc:.3} (bound 0.5 ± {bound:.3}), medians {:.2} and {:.2} ms, {samples} samples each",
        sample::median(&a),
        sample::median(&b)
    );
    report.add("G01", pair.promise, seen, (auc - 0.5).abs() <= bound);
    Ok(())
}
