use super::Enrolled;
use crate::account::{ContactKind, User};
use crate::token::Factor;

/// When a login wants a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactorPolicy {
    /// When the person enrolled one.
    #[default]
    Enrolled,
    /// Always: who enrolled none gets a code at a verified contact.
    Always,
    /// Never. Whoever has the password has the account.
    Never,
}

impl SecondFactorPolicy {
    /// The value in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// Which factors a person has, and which of them a question is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Factors the person enrolled, preferred first. Recovery codes alone are no enrolment.
    enrolled: Vec<Factor>,
    /// Contacts a code could be sent to.
    reachable: Vec<Factor>,
    /// How many recovery codes are left.
    recovery_codes: u32,
}

impl Standing {
    /// The standing of a user. `channels`: the kinds of contact this deployment can send to.
    pub fn new(user: &User, enrolled: Enrolled, channels: &[ContactKind]) -> Self {
        let contacts: Vec<_> = ContactKind::ALL
            .into_iter()
            .filter(|kind| channels.contains(kind))
            .filter_map(|kind| user.contact(kind).map(|contact| (kind.factor(), contact.otp_enabled)))
            .collect();
        let mut factors = Vec::new();
        factors.extend((enrolled.passkeys > 0).then_some(Factor::Device));
        factors.extend(enrolled.totp.then_some(Factor::Totp));
        factors.extend(contacts.iter().filter(|(_, otp)| *otp).map(|(factor, _)| *factor));
        Self {
            enrolled: factors,
            reachable: contacts.into_iter().map(|(factor, _)| factor).collect(),
            recovery_codes: enrolled.recovery_codes,
        }
    }

    /// Whether the person enrolled a factor.
    pub fn is_enrolled(&self) -> bool {
        !self.enrolled.is_empty()
    }

    /// The factors the person enrolled, preferred first.
    pub fn enrolled(&self) -> &[Factor] {
        &self.enrolled
    }

    /// The factors that answer a question of this person: what they enrolled, else a code to a verified contact. Nothing
    /// weaker serves beside what was enrolled.
    pub fn answers(&self) -> &[Factor] {
        if self.enrolled.is_empty() { &self.reachable } else { &self.enrolled }
    }

    /// Whether a recovery code answers, too.
    pub fn has_recovery(&self) -> bool {
        self.is_enrolled() && self.recovery_codes > 0
    }

    /// What a login that has proved `done` (a contact whose code was the first factor) still asks for; empty when it asks
    /// for nothing. `verified`: the person was verified by a passkey, which is two factors by itself.
    pub fn asks(&self, policy: SecondFactorPolicy, done: Option<Factor>, verified: bool) -> Vec<Factor> {
        if verified || policy == SecondFactorPolicy::Never {
            return Vec::new();
        }
        let others = |factors: &[Factor]| factors.iter().copied().filter(|factor| Some(*factor) != done).collect();
        match (policy, self.is_enrolled()) {
            (_, true) => others(&self.enrolled),
            (SecondFactorPolicy::Always, false) => others(&self.reachable),
            _ => Vec::new(),
        }
    }

    /// Whether the person may do without `factor`: not when it is the last of a person who must have one.
    pub fn may_lose(&self, factor: Factor, policy: SecondFactorPolicy) -> bool {
        policy != SecondFactorPolicy::Always || self.enrolled != [factor]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::account::{AccountStatus, Contact, ContactId, EmailAddress, Epoch, PhoneNumber, Role, UserId};

    fn user(email_otp: Option<bool>, phone_otp: Option<bool>) -> User {
        let id = UserId::from_random([1; 16]);
        let at = Timestamp::from_seconds(0);
        User {
            id,
            email: email_otp.map(|otp_enabled| Contact {
                id: id.into(),
                address: EmailAddress::try_new("ada@example.com").unwrap(),
                otp_enabled,
            }),
            phone: phone_otp.map(|otp_enabled| Contact {
                id: ContactId::from_random([2; 16]),
                address: PhoneNumber::from_stored("+442079460958").unwrap(),
                otp_enabled,
            }),
            username: None,
            full_name: None,
            locale: None,
            role: Role::User,
            status: AccountStatus::Active,
            epoch: Epoch::default(),
            sessions_epoch: Epoch::default(),
            created_at: at,
            updated_at: at,
        }
    }

    fn standing(user: &User, enrolled: Enrolled) -> Standing {
        Standing::new(user, enrolled, &ContactKind::ALL)
    }

    const NONE: Enrolled = Enrolled { totp: false, passkeys: 0, recovery_codes: 0 };
    use SecondFactorPolicy::{Always, Enrolled as WhenEnrolled, Never};

    #[test]
    fn factors_come_in_the_documented_order() {
        let all = standing(&user(Some(true), Some(true)), Enrolled { totp: true, passkeys: 2, recovery_codes: 1 });
        assert_eq!(all.enrolled(), [Factor::Device, Factor::Totp, Factor::Email, Factor::Phone]);
        assert!(all.has_recovery());
    }

    #[test]
    fn a_contact_is_a_factor_only_when_its_owner_said_so_and_it_can_be_reached() {
        let ada = user(Some(false), Some(true));
        assert_eq!(standing(&ada, NONE).enrolled(), [Factor::Phone]);
        let unreachable = Standing::new(&ada, NONE, &[ContactKind::Email]);
        assert_eq!((unreachable.is_enrolled(), unreachable.answers()), (false, &[Factor::Email][..]));
    }

    #[test]
    fn recovery_codes_alone_are_no_enrolment() {
        let codes = standing(&user(Some(false), None), Enrolled { recovery_codes: 10, ..NONE });
        assert!(!codes.is_enrolled() && !codes.has_recovery());
        assert_eq!(codes.asks(WhenEnrolled, None, false), []);
    }

    #[test]
    fn nothing_weaker_answers_beside_what_was_enrolled() {
        let totp = standing(&user(Some(false), None), Enrolled { totp: true, ..NONE });
        assert_eq!(totp.answers(), [Factor::Totp]);
        for policy in [WhenEnrolled, Always] {
            assert_eq!(totp.asks(policy, None, false), [Factor::Totp]);
            assert_eq!(totp.asks(policy, Some(Factor::Email), false), [Factor::Totp], "passwordless skips no factor");
            assert_eq!(totp.asks(policy, None, true), [], "a verified passkey is both");
        }
        assert_eq!(totp.asks(Never, None, false), []);
    }

    #[test]
    fn who_enrolled_nothing_is_asked_under_always_alone() {
        let plain = standing(&user(Some(false), None), NONE);
        assert_eq!(plain.asks(WhenEnrolled, None, false), []);
        assert_eq!(plain.asks(Always, None, false), [Factor::Email]);
    }

    #[test]
    fn the_last_factor_stays_under_always() {
        let one = standing(&user(Some(false), None), Enrolled { totp: true, ..NONE });
        assert!(one.may_lose(Factor::Totp, WhenEnrolled) && !one.may_lose(Factor::Totp, Always));
        let two = standing(&user(Some(true), None), Enrolled { totp: true, ..NONE });
        assert!(two.may_lose(Factor::Totp, Always) && two.may_lose(Factor::Email, Always));
    }
}
