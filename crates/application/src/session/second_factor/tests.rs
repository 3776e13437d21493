use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystead_domain::account::{Address, Contact};
use keystead_domain::factor::{RecoveryCodeHash, SecondFactorPolicy};

use super::*;
use crate::account::{BeginReset, ForgotPassword, ResetPassword, ResetPasswordError};
use crate::ports::{CeremonyKey, CeremonyStore, EphemeralError};
use crate::session::{Login, LoginCommand, PasskeyLogin, SendFactorCode, SendFactorCodeError};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, World, browser, secret};
use crate::testing::{FakeCeremonies, START, a_user, email, fake_hash, phone};
use keystead_domain::{SecretBytes, limits};

fn answer(world: &World) -> AnswerSecondFactor {
    let (store, clock) = (world.store.clone(), world.clock.clone());
    AnswerSecondFactor::new(store, clock, world.factor_codes(), world.factor_guard(), world.sign_in_desk())
}

fn send(world: &World) -> SendFactorCode {
    SendFactorCode::new(world.store.clone(), world.clock.clone(), world.sign_in_desk())
}

async fn login_at(world: &World, device: Option<SecretString>) -> Admission {
    let (store, hasher, clock) = (world.store.clone(), world.hasher.clone(), world.clock.clone());
    let command = LoginCommand { identity: "ada".into(), password: secret(PASSWORD), device, captcha: None };
    Login::new(store, hasher, clock, world.sign_in_desk()).run(command, &browser()).await.unwrap()
}

async fn half_way(world: &World) -> PreAuthorizedClaims {
    login_at(world, None).await.asked().expect("a second factor is asked for").claims
}

fn totp(code: OneTimeCode) -> FactorAnswer {
    FactorAnswer::Code(Factor::Totp, code)
}

fn wrong() -> FactorAnswer {
    totp(OneTimeCode::from_number(999_999).unwrap())
}

async fn try_it(
    world: &World,
    claims: &PreAuthorizedClaims,
    it: &FactorAnswer,
) -> Result<Option<crate::service::AuthorizedTokens>, SecondFactorError> {
    answer(world).run(claims, it, None, &browser()).await.map(Admission::authorized)
}

/// Ada with a confirmed TOTP secret.
fn with_totp() -> World {
    let world = World::with(a_user());
    world.enroll_totp(&a_user());
    world
}

fn with_contacts_enabled() -> World {
    let (email, number) = (email("ada@example.com"), phone("+442079460958"));
    let id = a_user().id;
    let mut world = World::with(User {
        email: Some(Contact { id: id.into(), address: email, otp_enabled: true }),
        phone: Some(Contact { id: id.into(), address: number, otp_enabled: true }),
        ..a_user()
    });
    world.configure(|settings| settings.factors.sms = true);
    world
}

#[tokio::test]
async fn the_password_alone_opens_nothing_and_the_code_signs_in() {
    let world = with_totp();
    let claims = half_way(&world).await;
    assert_eq!((&claims.tfa_options, claims.default_tfa), (&vec![Factor::Totp], Some(Factor::Totp)));
    assert_eq!(claims.otp, None, "nothing was sent");
    assert!(world.sessions.list(a_user().id, START).await.unwrap().is_empty());
    let tokens = try_it(&world, &claims, &totp(world.totp_code(0))).await.unwrap().unwrap();
    assert_eq!(tokens.claims.amr, [Amr::Password, Amr::Otp, Amr::MultiFactor]);
    let proof = tokens.step_up.expect("a login that used a factor is a proof");
    assert_eq!(proof.claims.method, StepUpMethod::Factor(Factor::Totp));
    assert_eq!(proof.claims.token_id.session(), tokens.claims.session());
    assert_ne!(tokens.claims.session(), claims.token_id.session());
    assert_eq!(world.events(), [AuditEventName::SecondFactorAsked, AuditEventName::LoginSucceeded]);
    assert_eq!(try_it(&world, &claims, &totp(world.totp_code(0))).await, Err(SecondFactorError::Invalid));
}

#[tokio::test]
async fn g02_a_step_is_good_once_in_every_flow() {
    let world = with_totp();
    let (one, other) = (half_way(&world).await, half_way(&world).await);
    assert!(try_it(&world, &one, &totp(world.totp_code(0))).await.is_ok());
    assert_eq!(try_it(&world, &other, &totp(world.totp_code(0))).await, Err(SecondFactorError::Invalid));
    let third = half_way(&world).await;
    let older = totp(world.totp_code(1));
    assert_eq!(try_it(&world, &third, &older).await, Err(SecondFactorError::Invalid), "nor one before it");
}

#[tokio::test]
async fn g02_of_parallel_right_answers_one_wins() {
    let world = with_totp();
    let claims = half_way(&world).await;
    let (answer, code) = (Arc::new(answer(&world)), world.totp_code(0));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (answer, claims, it) = (answer.clone(), claims.clone(), totp(code.clone()));
        tries.spawn(async move { answer.run(&claims, &it, None, &browser()).await });
    }
    assert_eq!(tries.join_all().await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn g09_five_tries_end_a_flow_and_ten_block_the_account_over_all_flows() {
    let world = with_totp();
    let first = half_way(&world).await;
    for _ in 0..5 {
        assert_eq!(try_it(&world, &first, &wrong()).await, Err(SecondFactorError::Invalid));
    }
    assert_eq!(try_it(&world, &first, &totp(world.totp_code(0))).await, Err(SecondFactorError::Invalid));
    let second = half_way(&world).await;
    for _ in 0..4 {
        assert_eq!(try_it(&world, &second, &wrong()).await, Err(SecondFactorError::Invalid));
    }
    let third = half_way(&world).await;
    let until = START.plus(limits::MFA_BLOCK);
    let right = totp(world.totp_code(0));
    assert_eq!(try_it(&world, &third, &right).await, Err(SecondFactorError::Blocked { until }), "even the right one");
    assert_eq!(world.notices(), ["factors_blocked"]);
    assert!(world.events().contains(&AuditEventName::SecondFactorBlocked));
    world.clock.set(until);
    let fourth = half_way(&world).await;
    assert!(try_it(&world, &fourth, &totp(world.totp_code(0))).await.is_ok());
}

#[tokio::test]
async fn g10_a_browser_its_owner_signed_in_with_is_not_blocked_by_others() {
    let world = with_totp();
    let claims = half_way(&world).await;
    let device = try_it(&world, &claims, &totp(world.totp_code(0))).await.unwrap().unwrap().device;
    for _ in 0..3 {
        let strangers = half_way(&world).await;
        for _ in 0..4 {
            let _ = try_it(&world, &strangers, &wrong()).await;
        }
    }
    world.clock.advance(Duration::from_secs(30));
    let strangers = half_way(&world).await;
    let right = totp(world.totp_code(0));
    assert!(matches!(try_it(&world, &strangers, &right).await, Err(SecondFactorError::Blocked { .. })));
    let owners = login_at(&world, device.clone()).await.asked().unwrap().claims;
    let tokens = answer(&world).run(&owners, &right, device.clone(), &browser()).await.unwrap().authorized().unwrap();
    assert_eq!(tokens.device, device);
}

#[tokio::test]
async fn a_recovery_code_signs_in_once_and_its_owner_is_told() {
    let world = with_totp();
    let code = RecoveryCode::from_random([7; 16]);
    let kept = RecoveryCodeHash { selector: code.selector().into(), hash: fake_hash(code.secret()) };
    let mut tx = world.store.begin().await.unwrap();
    tx.factors().replace_recovery_codes(a_user().id, &[kept], START).await.unwrap();
    tx.commit().await.unwrap();
    let claims = half_way(&world).await;
    let other = RecoveryCode::from_random([8; 16]);
    assert_eq!(try_it(&world, &claims, &FactorAnswer::Recovery(other)).await, Err(SecondFactorError::Invalid));
    let tokens = try_it(&world, &claims, &FactorAnswer::Recovery(code.clone())).await.unwrap().unwrap();
    assert_eq!(tokens.step_up.unwrap().claims.method, StepUpMethod::Recovery);
    assert_eq!(world.notices(), ["recovery_code_used", "new_device"]);
    let claims = half_way(&world).await;
    assert_eq!(try_it(&world, &claims, &FactorAnswer::Recovery(code)).await, Err(SecondFactorError::Invalid));
}

#[tokio::test]
async fn a_code_goes_to_the_preferred_contact_by_itself_and_another_one_kills_it() {
    let world = with_contacts_enabled();
    let claims = half_way(&world).await;
    assert_eq!(claims.tfa_options, [Factor::Email, Factor::Phone]);
    assert_eq!(world.notices(), ["login_code"]);
    let first = OneTimeCode::parse(&world.mailed_code()).unwrap();
    assert_eq!(send(&world).run(&claims, Factor::Totp, &browser()).await, Err(SendFactorCodeError::NotOffered));
    let next = send(&world).run(&claims, Factor::Phone, &browser()).await.unwrap().claims;
    assert_eq!(world.messages()[1].to, Address::Phone(phone("+442079460958")));
    let text = OneTimeCode::parse(&world.mailed_code()).unwrap();
    let by_mail = FactorAnswer::Code(Factor::Email, first);
    assert_eq!(try_it(&world, &claims, &by_mail).await, Err(SecondFactorError::Invalid), "the older token is dead");
    assert_eq!(try_it(&world, &next, &by_mail).await, Err(SecondFactorError::Invalid));
    let as_mail = FactorAnswer::Code(Factor::Email, text.clone());
    assert_eq!(try_it(&world, &next, &as_mail).await, Err(SecondFactorError::Invalid), "a code is its address's");
    let tokens = try_it(&world, &next, &FactorAnswer::Code(Factor::Phone, text)).await.unwrap().unwrap();
    assert_eq!(tokens.claims.amr, [Amr::Password, Amr::Sms, Amr::MultiFactor]);
}

#[tokio::test]
async fn codes_are_sent_again_once_in_half_a_minute_and_five_times_an_hour() {
    let world = with_contacts_enabled();
    let mut claims = half_way(&world).await;
    for _ in 0..5 {
        claims = send(&world).run(&claims, Factor::Email, &browser()).await.unwrap().claims;
        let soon = send(&world).run(&claims, Factor::Email, &browser()).await;
        assert!(matches!(soon, Err(SendFactorCodeError::Limited { .. })), "{soon:?}");
        world.clock.advance(Duration::from_secs(31));
    }
    let late = send(&world).run(&claims, Factor::Email, &browser()).await;
    assert_eq!(late, Err(SendFactorCodeError::Limited { again_at: START.plus(limits::CODE_RESEND.interval()) }));
}

#[tokio::test]
async fn a_code_dies_after_five_minutes_while_its_token_lives_on() {
    let world = with_contacts_enabled();
    let claims = half_way(&world).await;
    let code = FactorAnswer::Code(Factor::Email, OneTimeCode::parse(&world.mailed_code()).unwrap());
    world.clock.advance(limits::CODE_LIFE);
    assert_eq!(try_it(&world, &claims, &code).await, Err(SecondFactorError::Invalid));
    let next = send(&world).run(&claims, Factor::Email, &browser()).await.unwrap().claims;
    let code = FactorAnswer::Code(Factor::Email, OneTimeCode::parse(&world.mailed_code()).unwrap());
    assert!(try_it(&world, &next, &code).await.is_ok());
}

#[tokio::test]
async fn what_changes_the_credentials_ends_a_login_half_way() {
    let world = with_totp();
    let claims = half_way(&world).await;
    world.rows.prepare(|state| {
        let user = &mut state.users.0.get_mut(&a_user().id).unwrap().user;
        user.epoch = user.epoch.next();
    });
    assert_eq!(try_it(&world, &claims, &totp(world.totp_code(0))).await, Err(SecondFactorError::Over));
}

#[tokio::test]
async fn only_what_was_offered_answers() {
    let world = with_totp();
    let claims = half_way(&world).await;
    let code = OneTimeCode::from_number(1).unwrap();
    for factor in [Factor::Email, Factor::Phone, Factor::Device] {
        let refused = try_it(&world, &claims, &FactorAnswer::Code(factor, code.clone())).await;
        assert_eq!(refused, Err(SecondFactorError::NotOffered), "{factor:?}");
    }
}

#[tokio::test]
async fn policies_ask_everybody_or_nobody() {
    let mut world = World::with(a_user());
    world.configure(|settings| settings.factors.second_factor = SecondFactorPolicy::Always);
    assert_eq!(half_way(&world).await.tfa_options, [Factor::Email]);
    world.enroll_totp(&a_user());
    assert_eq!(half_way(&world).await.tfa_options, [Factor::Totp], "what was enrolled, and nothing weaker");
    world.configure(|settings| settings.factors.second_factor = SecondFactorPolicy::Never);
    assert!(login_at(&world, None).await.authorized().is_some());
}

async fn reset_grant(world: &World) -> PreAuthorizedClaims {
    let forgot = ForgotPassword::new(world.store.clone(), world.clock.clone(), world.issuer(), world.login_desk());
    forgot.run("ada", None, &browser()).await.unwrap();
    let begin = BeginReset::new(world.store.clone(), world.clock.clone(), world.sign_in_desk());
    begin.run(&world.mailed_token(), &browser()).await.unwrap().claims
}

async fn reset(world: &World, claims: &PreAuthorizedClaims) -> Result<(), ResetPasswordError> {
    let (store, sessions, secrets) = (world.store.clone(), world.sessions.clone(), world.secrets());
    let reset = ResetPassword::new(store, sessions, secrets, world.clock.clone(), world.revoker(), world.login_desk());
    reset.run(claims, secret(OTHER_PASSWORD).into(), &browser()).await
}

#[tokio::test]
async fn g11_a_reset_takes_the_enrolled_factor() {
    let world = with_totp();
    let claims = reset_grant(&world).await;
    assert_eq!(claims.tfa_options, [Factor::Totp]);
    assert_eq!(reset(&world, &claims).await, Err(ResetPasswordError::MfaRequired));
    assert_eq!(try_it(&world, &claims, &wrong()).await, Err(SecondFactorError::Invalid));
    assert_eq!(reset(&world, &claims).await, Err(ResetPasswordError::MfaRequired));
    let right = totp(world.totp_code(0));
    let proved = answer(&world).run(&claims, &right, None, &browser()).await.unwrap().asked().unwrap().claims;
    assert_eq!(proved.purpose, PreAuthorizedPurpose::Reset);
    assert_eq!(reset(&world, &claims).await, Err(ResetPasswordError::LinkInvalid), "the older token is dead");
    assert_eq!(reset(&world, &proved).await, Ok(()));
    assert_eq!(world.password(&a_user()), OTHER_PASSWORD);
}

#[tokio::test]
async fn a_link_by_mail_proves_the_mail_and_asks_for_the_number() {
    let world = with_contacts_enabled();
    let claims = reset_grant(&world).await;
    assert_eq!(claims.tfa_options, [Factor::Phone]);
    let sent = send(&world).run(&claims, Factor::Phone, &browser()).await.unwrap().claims;
    assert_eq!(reset(&world, &claims).await, Err(ResetPasswordError::LinkInvalid), "the older token is dead");
    assert_eq!(reset(&world, &sent).await, Err(ResetPasswordError::MfaRequired));
    let code = FactorAnswer::Code(Factor::Phone, OneTimeCode::parse(&world.mailed_code()).unwrap());
    let proved = answer(&world).run(&sent, &code, None, &browser()).await.unwrap().asked().unwrap().claims;
    assert_eq!(reset(&world, &proved).await, Ok(()));
}

/// Ceremonies that are there, or away.
struct Shaky(FakeCeremonies, AtomicBool);

impl Shaky {
    fn answers(&self) -> Result<&FakeCeremonies, EphemeralError> {
        if self.1.load(Ordering::SeqCst) { Err(EphemeralError("away".into())) } else { Ok(&self.0) }
    }
}

#[async_trait::async_trait]
impl CeremonyStore for Shaky {
    async fn insert(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        self.answers()?.insert(key, state, now, expires_at).await
    }

    async fn find(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        self.answers()?.find(key, now).await
    }

    async fn take(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        self.answers()?.take(key, now).await
    }

    async fn overwrite(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        self.answers()?.overwrite(key, state, now, expires_at).await
    }
}

#[tokio::test]
async fn f03_who_tries_while_a_store_is_away_is_not_blocked_when_it_is_back() {
    let ceremonies = Arc::new(Shaky(FakeCeremonies::new(), AtomicBool::new(false)));
    let mut world = with_totp();
    world.set_ceremonies(ceremonies.clone());
    // Fewer tries than a challenge has, and more than an account has before its factors are blocked.
    let mut flows = Vec::new();
    for _ in 0..world.settings.factors.block.max_failures {
        flows.push(half_way(&world).await);
    }
    let login = PasskeyLogin::new(
        world.store.clone(),
        world.clock.clone(),
        world.passkeys(),
        world.factor_guard(),
        world.sign_in_desk(),
    );
    ceremonies.1.store(true, Ordering::SeqCst);
    for claims in &flows {
        let with_device = PreAuthorizedClaims { tfa_options: vec![Factor::Device, Factor::Totp], ..claims.clone() };
        for _ in 0..2 {
            let away = try_it(&world, claims, &totp(world.totp_code(0))).await;
            assert!(matches!(away, Err(SecondFactorError::Failure(Failure::Unavailable(_)))), "{away:?}");
            let away = login.as_second_factor(&with_device, "{}", None, &browser()).await;
            assert!(matches!(away, Err(SecondFactorError::Failure(Failure::Unavailable(_)))), "{away:?}");
        }
    }
    ceremonies.1.store(false, Ordering::SeqCst);
    let fresh = half_way(&world).await;
    assert!(try_it(&world, &fresh, &totp(world.totp_code(0))).await.is_ok());
}
