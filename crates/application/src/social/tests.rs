use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::SecretString;
use keystead_domain::account::{AccountStatus, ContactKind, Role, User};
use keystead_domain::audit::AuditEventName as Event;
use keystead_domain::factor::SecondFactorPolicy;
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};
use keystead_domain::token::{Amr, Factor, PreAuthorizedPurpose};

use super::*;
use crate::context::RequestContext;
use crate::factor::{FactorError, SocialLinkError, SocialLinks};
use crate::ports::{SocialAnswer, SocialError, SocialProfile, SocialProvider, SocialRequest};
use crate::service::{Admission, AuthorizedTokens};
use crate::test_world::{World, browser, caller, proved, secret};
use crate::testing::{a_passkey, a_social_identity, a_user, an_admin, email, user_number};

/// A provider that knows who a code is of.
struct FakeProvider {
    id: ProviderId,
    vouches: bool,
    profiles: Mutex<HashMap<String, SocialProfile>>,
    /// What was exchanged: code, nonce, verifier.
    exchanged: Mutex<Vec<(String, String, String)>>,
    begun: Mutex<Vec<SocialRequest>>,
}

impl FakeProvider {
    fn new(id: &str, vouches: bool) -> Arc<Self> {
        let id = ProviderId::try_new(id).unwrap();
        Arc::new(Self { id, vouches, profiles: Mutex::default(), exchanged: Mutex::default(), begun: Mutex::default() })
    }

    fn knows(&self, code: &str, profile: SocialProfile) {
        self.profiles.lock().unwrap().insert(code.to_owned(), profile);
    }
}

#[async_trait]
impl SocialProvider for FakeProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn display_name(&self) -> &'static str {
        "The IdP"
    }

    fn vouches_for_addresses(&self) -> bool {
        self.vouches
    }

    async fn begin(&self, request: &SocialRequest) -> Result<String, SocialError> {
        self.begun.lock().unwrap().push(request.clone());
        Ok(format!("https://idp.example/authorize?state={}", request.state.expose()))
    }

    async fn complete(&self, answer: &SocialAnswer, request: &SocialRequest) -> Result<SocialProfile, SocialError> {
        let parts = [&answer.code, &request.nonce, &request.code_verifier].map(|part| part.expose().to_owned());
        let [code, nonce, verifier] = parts;
        self.exchanged.lock().unwrap().push((code.clone(), nonce, verifier));
        let profile = self.profiles.lock().unwrap().get(&code).cloned();
        profile.ok_or_else(|| SocialError::Refused("invalid_grant".to_owned()))
    }
}

fn subject(text: &str) -> SocialSubject {
    SocialSubject::try_new(text).unwrap()
}

/// Somebody with a verified address at the provider.
fn of(number: &str, address: &str) -> SocialProfile {
    SocialProfile {
        subject: subject(number),
        email: Some(email(address)),
        email_verified: true,
        name: Some("Grace Hopper".to_owned()),
        label: Some("grace".to_owned()),
    }
}

struct Bench {
    world: World,
    idp: Arc<FakeProvider>,
    other: Arc<FakeProvider>,
    sign_in: SocialSignIn,
    links: SocialLinks,
}

impl Bench {
    fn new(world: World) -> Self {
        Self::with(world, true)
    }

    fn with(world: World, vouches: bool) -> Self {
        let (idp, other) = (FakeProvider::new("idp", vouches), FakeProvider::new("other", true));
        let providers: Vec<Arc<dyn SocialProvider>> = vec![idp.clone(), other.clone()];
        let flows = SocialFlows::new(providers, world.ceremonies.clone(), world.hash.clone(), world.entropy.clone());
        let flows = Arc::new(flows);
        let sign_in = SocialSignIn::new(
            world.store.clone(),
            world.clock.clone(),
            flows.clone(),
            world.sign_in_desk(),
            world.registration_desk(),
            world.revoker(),
        );
        let links = SocialLinks::new(world.factor_desk(), flows);
        Self { world, idp, other, sign_in, links }
    }

    /// A flow at a provider: its state and the client that began it.
    async fn begin_at(&self, provider: &FakeProvider) -> (SecretString, SecretString) {
        let start = self.sign_in.begin(&provider.id, &browser()).await.unwrap();
        let state = start.url.split_once("state=").unwrap().1.to_owned();
        (SecretString::new(state), start.client_id)
    }

    fn back(&self, state: &SecretString, code: &str) -> SocialReturn {
        let answer = SocialAnswer { code: secret(code), issuer: None };
        SocialReturn { provider: self.idp.id.clone(), state: state.clone(), answer }
    }

    async fn complete(
        &self,
        state: &SecretString,
        client: &SecretString,
        code: &str,
    ) -> Result<Admission, SocialSignInError> {
        self.sign_in.complete(&self.back(state, code), Some(client), None, &browser()).await
    }

    /// Somebody comes by the provider.
    async fn come(&self, profile: SocialProfile) -> Result<Admission, SocialSignInError> {
        let (state, client) = self.begin_at(&self.idp).await;
        self.idp.knows("a-code", profile);
        self.complete(&state, &client, "a-code").await
    }

    async fn come_in(&self, profile: SocialProfile) -> AuthorizedTokens {
        self.come(profile).await.unwrap().authorized().unwrap()
    }

    /// Links an account at the provider in a session.
    async fn link(
        &self,
        session: &AuthorizedTokens,
        profile: SocialProfile,
    ) -> Result<AuthorizedTokens, SocialLinkError> {
        let caller = caller(&session.claims);
        let (url, _) = self.links.begin(&caller, &self.idp.id).await?;
        let state = secret(url.split_once("state=").unwrap().1);
        self.idp.knows("link-code", profile);
        let done = self.links.complete(&caller, &self.back(&state, "link-code"), &browser()).await;
        done.map(|(_, tokens)| tokens)
    }

    fn linked(&self) -> Vec<(keystead_domain::account::UserId, String)> {
        let rows = self.world.rows.state().social.0;
        rows.iter().map(|row| (row.user_id, row.subject.as_str().to_owned())).collect()
    }

    fn has(&self, event: Event) -> bool {
        self.world.events().contains(&event)
    }
}

fn ada() -> World {
    World::with(a_user())
}

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn a_vouched_address_of_nobody_makes_an_account_that_the_account_elsewhere_opens() {
    let bench = Bench::new(World::default());
    let tokens = bench.come_in(of("7", "grace@example.com")).await;
    assert_eq!(tokens.claims.amr, [Amr::Federated]);
    assert_eq!(bench.linked(), [(tokens.claims.subject, "7".to_owned())]);
    let user = bench.world.rows.state().users.0[&tokens.claims.subject].clone();
    assert_eq!(user.user.email_address().map(ToString::to_string).as_deref(), Some("grace@example.com"));
    assert_eq!((user.user.full_name.unwrap().as_str(), user.password), ("Grace Hopper", None));
    assert!(bench.has(Event::UserCreated) && bench.has(Event::SocialLinked));
    // By the same subject from then on, whatever becomes of the address there.
    let moved = SocialProfile { email: None, email_verified: false, ..of("7", "grace@example.com") };
    let again = bench.come_in(moved).await;
    assert_eq!(again.claims.subject, tokens.claims.subject);
    assert!(bench.world.rows.state().social.0[0].last_used_at.is_some());
}

#[tokio::test]
async fn a_vouched_address_of_an_account_is_linked_and_its_owner_told() {
    let bench = Bench::new(ada());
    let before = bench.world.sign_in(&a_user()).await;
    let tokens = bench.come_in(of("7", ADA)).await;
    assert_eq!(tokens.claims.subject, a_user().id);
    assert_eq!(bench.linked(), [(a_user().id, "7".to_owned())]);
    assert_eq!(bench.world.notices(), ["social_linked", "new_device"]);
    assert!(bench.has(Event::SocialLinked));
    // A factor was added: access tokens of before end, the session stays.
    assert!(bench.world.is_revoked(&before.claims).await && !bench.world.is_revoked(&tokens.claims).await);
    assert_eq!(tokens.claims.epoch, bench.world.user(&a_user()).epoch);
    assert_eq!(bench.world.user(&a_user()).sessions_epoch, a_user().sessions_epoch);
}

#[tokio::test]
async fn an_address_that_nobody_vouches_for_is_proved_by_a_code_and_opens_nothing() {
    for (vouches, verified) in [(true, false), (false, true), (false, false)] {
        for taken in [false, true] {
            let bench = Bench::with(if taken { ada() } else { World::default() }, vouches);
            let profile = SocialProfile { email_verified: verified, ..of("7", ADA) };
            let asked = bench.come(profile).await.unwrap().asked().unwrap();
            assert_eq!(asked.claims.purpose, PreAuthorizedPurpose::Register);
            assert!(asked.claims.otp.is_some() && bench.linked().is_empty());
            let claim = bench.world.rows.state().registrations.0[0].clone();
            assert_eq!((claim.id, claim.social.unwrap().subject), (asked.claims.subject, subject("7")));
            assert_eq!((claim.password, claim.srp), (None, None));
            let notice = if taken { "account_exists" } else { "verify_email" };
            assert_eq!(bench.world.notices(), [notice], "vouches {vouches}, verified {verified}, taken {taken}");
        }
    }
}

#[tokio::test]
async fn whoever_has_no_address_has_no_account_made() {
    let bench = Bench::new(ada());
    let profile = SocialProfile { email: None, email_verified: true, ..of("7", ADA) };
    assert_eq!(bench.come(profile).await, Err(SocialSignInError::NoAddress));
}

#[tokio::test]
async fn accounts_are_made_where_people_register_with_addresses_only() {
    for vouches in [true, false] {
        let mut world = World::default();
        world.configure(|settings| settings.registration_open = false);
        let bench = Bench::with(world, vouches);
        assert_eq!(bench.come(of("7", ADA)).await, Err(SocialSignInError::RegistrationClosed));
        let mut world = World::default();
        world.configure(|settings| settings.factors.registration = vec![ContactKind::Phone]);
        let bench = Bench::with(world, vouches);
        assert_eq!(bench.come(of("7", ADA)).await, Err(SocialSignInError::ContactNotAccepted(ContactKind::Email)));
        assert!(bench.world.rows.state().registrations.0.is_empty());
    }
    // Whoever has an account comes in all the same.
    let mut world = ada();
    world.configure(|settings| settings.registration_open = false);
    Bench::new(world).come_in(of("7", ADA)).await;
}

#[tokio::test]
async fn g11_an_enrolled_factor_is_asked_for_and_no_way_in_is_added_before_it_is_shown() {
    let world = ada();
    world.enroll_totp(&a_user());
    let bench = Bench::new(world);
    let asked = bench.come(of("7", ADA)).await.unwrap().asked().unwrap();
    assert_eq!((asked.claims.purpose, asked.claims.tfa_options), (PreAuthorizedPurpose::Login, vec![Factor::Totp]));
    assert_eq!(asked.claims.amr, [Amr::Federated]);
    assert_eq!(bench.linked(), []);
    assert_eq!(bench.world.user(&a_user()).epoch, a_user().epoch);
    // Linked in a session, it is asked for as well.
    let session = bench.world.sign_in(&a_user()).await;
    let (url, _) = bench.links.begin(&proved(&session.claims), &bench.idp.id).await.unwrap();
    let state = secret(url.split_once("state=").unwrap().1);
    bench.links.complete(&caller(&session.claims), &bench.back(&state, "a-code"), &browser()).await.unwrap();
    assert_eq!(bench.linked(), [(a_user().id, "7".to_owned())]);
    bench.come(of("7", ADA)).await.unwrap().asked().unwrap();
}

#[tokio::test]
async fn g11_where_everybody_is_asked_a_code_is_sent() {
    let mut world = ada();
    world.configure(|settings| settings.factors.second_factor = SecondFactorPolicy::Always);
    let bench = Bench::new(world);
    let asked = bench.come(of("7", ADA)).await.unwrap().asked().unwrap();
    assert_eq!(asked.claims.tfa_options, [Factor::Email]);
    assert_eq!((bench.world.notices(), bench.linked()), (vec!["login_code"], vec![]));
}

#[tokio::test]
async fn administrators_are_linked_in_a_session_only() {
    let admin = an_admin();
    let address = admin.email_address().unwrap().to_string();
    let bench = Bench::new(World::with(admin.clone()));
    assert!(admin.role >= Role::Admin);
    assert_eq!(bench.come(of("7", &address)).await, Err(SocialSignInError::LinkFromSession));
    assert!(bench.linked().is_empty() && bench.has(Event::SocialFailed));
}

#[tokio::test]
async fn closed_accounts_stay_closed() {
    for status in [AccountStatus::Banned, AccountStatus::Deactivated] {
        let bench = Bench::new(World::with(User { status, ..a_user() }));
        assert_eq!(bench.come(of("7", ADA)).await, Err(SocialSignInError::AccountInactive));
        let bench = Bench::new(ada());
        bench.come_in(of("7", ADA)).await;
        bench.world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().user.status = status);
        assert_eq!(bench.come(of("7", ADA)).await, Err(SocialSignInError::AccountInactive));
        assert!(bench.has(Event::LoginRefused));
    }
}

#[tokio::test]
async fn an_address_that_was_given_to_somebody_else_there_opens_nothing() {
    let bench = Bench::new(ada());
    bench.come_in(of("7", ADA)).await;
    assert_eq!(bench.come(of("8", ADA)).await, Err(SocialSignInError::Taken));
    assert_eq!(bench.linked(), [(a_user().id, "7".to_owned())]);
}

#[tokio::test]
async fn an_account_made_by_a_vouched_address_ends_every_claim_to_it() {
    let bench = Bench::with(World::default(), false);
    let early = bench.come(of("666", ADA)).await.unwrap().asked().unwrap();
    let bench = Bench::new(bench.world);
    let tokens = bench.come_in(of("7", ADA)).await;
    let claims = bench.world.rows.state().registrations.0;
    assert!(claims.iter().all(|claim| claim.id != early.claims.subject));
    assert_eq!(bench.linked(), [(tokens.claims.subject, "7".to_owned())]);
}

#[tokio::test]
async fn a_state_counts_once_at_its_provider_for_its_client_and_for_ten_minutes() {
    let bench = Bench::new(World::default());
    bench.idp.knows("a-code", of("7", ADA));
    let exchanged = || bench.idp.exchanged.lock().unwrap().len() + bench.other.exchanged.lock().unwrap().len();
    let (state, client) = bench.begin_at(&bench.idp).await;
    let (_, another_client) = bench.begin_at(&bench.idp).await;
    // Another client's; it is used up by that.
    assert_eq!(bench.complete(&state, &another_client, "a-code").await, Err(SocialSignInError::Invalid));
    assert_eq!(bench.complete(&state, &client, "a-code").await, Err(SocialSignInError::Invalid));
    // Nobody's.
    let (state, client) = bench.begin_at(&bench.idp).await;
    let back = bench.back(&state, "a-code");
    let nobody = bench.sign_in.complete(&back, None, None, &browser()).await;
    assert_eq!(nobody, Err(SocialSignInError::Invalid));
    assert_eq!(bench.complete(&secret("no-such-state"), &client, "a-code").await, Err(SocialSignInError::Invalid));
    // Another provider's.
    let (state, client) = bench.begin_at(&bench.other).await;
    assert_eq!(bench.complete(&state, &client, "a-code").await, Err(SocialSignInError::Invalid));
    // Too old.
    let (state, client) = bench.begin_at(&bench.idp).await;
    bench.world.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.complete(&state, &client, "a-code").await, Err(SocialSignInError::Invalid));
    assert_eq!(exchanged(), 0, "no code went anywhere");
    assert_eq!(bench.world.events(), [Event::SocialFailed; 6]);
    // Twice.
    let (state, client) = bench.begin_at(&bench.idp).await;
    bench.complete(&state, &client, "a-code").await.unwrap();
    assert_eq!(bench.complete(&state, &client, "a-code").await, Err(SocialSignInError::Invalid));
    let begun = bench.idp.begun.lock().unwrap().last().cloned().unwrap();
    let (_, nonce, verifier) = bench.idp.exchanged.lock().unwrap()[0].clone();
    assert_eq!((nonce.as_str(), verifier.as_str()), (begun.nonce.expose(), begun.code_verifier.expose()));
    assert_eq!(exchanged(), 1);
}

#[tokio::test]
async fn a_browser_keeps_the_client_id_it_has() {
    let bench = Bench::new(World::default());
    let context = RequestContext { client_id: Some(secret("a-client-id")), ..browser() };
    let start = bench.sign_in.begin(&bench.idp.id, &context).await.unwrap();
    assert_eq!(start.client_id, secret("a-client-id"));
    let unknown = ProviderId::try_new("unknown").unwrap();
    assert_eq!(bench.sign_in.begin(&unknown, &context).await, Err(SocialSignInError::UnknownProvider));
}

#[tokio::test]
async fn a_link_is_made_in_its_own_session_only() {
    let bench = Bench::new(ada());
    bench.world.add(user_number(2));
    let (mine, others) = (bench.world.sign_in(&a_user()).await, bench.world.sign_in(&user_number(2)).await);
    let elsewhere = bench.world.sign_in(&a_user()).await;
    bench.idp.knows("a-code", of("7", "other@example.com"));
    let begin = async || {
        let (url, _) = bench.links.begin(&caller(&mine.claims), &bench.idp.id).await.unwrap();
        secret(url.split_once("state=").unwrap().1)
    };
    for stranger in [&others, &elsewhere] {
        let state = begin().await;
        let tried = bench.links.complete(&caller(&stranger.claims), &bench.back(&state, "a-code"), &browser()).await;
        assert_eq!(tried.map(|_| ()), Err(SocialLinkError::Invalid));
    }
    // A link's state signs nobody in, and a sign-in's links nothing.
    let state = begin().await;
    let client = mine.client_id.clone().unwrap();
    assert_eq!(bench.complete(&state, &client, "a-code").await, Err(SocialSignInError::Invalid));
    let context = RequestContext { client_id: Some(client), ..browser() };
    let start = bench.sign_in.begin(&bench.idp.id, &context).await.unwrap();
    let state = secret(start.url.split_once("state=").unwrap().1);
    let tried = bench.links.complete(&caller(&mine.claims), &bench.back(&state, "a-code"), &browser()).await;
    assert_eq!(tried.map(|_| ()), Err(SocialLinkError::Invalid));
    assert_eq!(bench.linked(), []);
    let state = begin().await;
    bench.links.complete(&caller(&mine.claims), &bench.back(&state, "a-code"), &browser()).await.unwrap();
    assert_eq!(bench.linked(), [(a_user().id, "7".to_owned())]);
    assert_eq!(bench.world.notices(), ["social_linked"]);
}

#[tokio::test]
async fn a_link_takes_the_proof_of_an_enrolled_factor_or_a_fresh_sign_in() {
    let world = ada();
    world.enroll_totp(&a_user());
    let bench = Bench::new(world);
    let session = bench.world.sign_in(&a_user()).await;
    let refused = bench.links.begin(&caller(&session.claims), &bench.idp.id).await;
    assert_eq!(refused, Err(SocialLinkError::Factor(FactorError::MfaRequired)));
    bench.links.begin(&proved(&session.claims), &bench.idp.id).await.unwrap();
    let bench = Bench::new(ada());
    let session = bench.world.sign_in(&a_user()).await;
    bench.world.clock.advance(Duration::from_secs(301));
    let refused = bench.links.begin(&caller(&session.claims), &bench.idp.id).await;
    assert_eq!(refused, Err(SocialLinkError::Factor(FactorError::ReauthRequired)));
    let removed = bench.links.remove(&caller(&session.claims), &bench.idp.id, &browser()).await;
    assert_eq!(removed, Err(SocialLinkError::Factor(FactorError::ReauthRequired)));
}

#[tokio::test]
async fn an_account_elsewhere_opens_one_account_and_an_account_has_one_of_each_provider() {
    let bench = Bench::new(ada());
    bench.world.add(user_number(2));
    let (mine, others) = (bench.world.sign_in(&a_user()).await, bench.world.sign_in(&user_number(2)).await);
    let mine = bench.link(&mine, of("7", ADA)).await.unwrap();
    assert_eq!(bench.link(&others, of("7", ADA)).await, Err(SocialLinkError::Taken));
    assert_eq!(bench.link(&mine, of("8", ADA)).await, Err(SocialLinkError::Taken));
    assert_eq!(bench.linked(), [(a_user().id, "7".to_owned())]);
}

#[tokio::test]
async fn unlinking_ends_other_sessions_and_the_way_in() {
    let bench = Bench::new(ada());
    let session = bench.world.sign_in(&a_user()).await;
    let mine = bench.link(&session, of("7", ADA)).await.unwrap();
    let elsewhere = bench.come_in(of("7", ADA)).await;
    let tokens = bench.links.remove(&caller(&mine.claims), &bench.idp.id, &browser()).await.unwrap();
    assert!(bench.world.is_revoked(&elsewhere.claims).await && !bench.world.is_revoked(&tokens.claims).await);
    assert!(bench.linked().is_empty() && bench.has(Event::SocialUnlinked));
    assert!(bench.world.notices().contains(&"social_unlinked"));
    let again = bench.links.remove(&caller(&tokens.claims), &bench.idp.id, &browser()).await;
    assert_eq!(again, Err(SocialLinkError::Factor(FactorError::NotFound)));
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let bench = Bench::new(World::default());
    let session = bench.come_in(of("7", ADA)).await;
    let id = session.claims.subject;
    let remove = async || bench.links.remove(&caller(&session.claims), &bench.idp.id, &browser()).await;
    assert_eq!(remove().await, Err(SocialLinkError::LastWayIn));
    assert_eq!(bench.linked().len(), 1);
    // A passkey that cannot tell its user opens nothing alone.
    let mut key = keystead_domain::factor::Passkey { user_id: id, user_verified: false, ..a_passkey() };
    let mut tx = bench.world.store.begin().await.unwrap();
    tx.passkeys().insert(&key).await.unwrap();
    tx.commit().await.unwrap();
    let proof = caller(&session.claims);
    let proof = crate::service::Caller { proof: proved(&session.claims).proof, ..proof };
    let refused = bench.links.remove(&proof, &bench.idp.id, &browser()).await;
    assert_eq!(refused, Err(SocialLinkError::LastWayIn));
    key.user_verified = true;
    let mut tx = bench.world.store.begin().await.unwrap();
    tx.passkeys().delete(id, key.id).await.unwrap();
    tx.passkeys().insert(&key).await.unwrap();
    tx.commit().await.unwrap();
    bench.links.remove(&proof, &bench.idp.id, &browser()).await.unwrap();
}

#[tokio::test]
async fn another_account_elsewhere_is_a_way_in_while_its_provider_is_configured() {
    for configured in [false, true] {
        let mut world = World::default();
        let other = ProviderId::try_new("other").unwrap();
        world.configure(|settings| settings.providers.extend(configured.then(|| other.clone())));
        let bench = Bench::new(world);
        let session = bench.come_in(of("7", ADA)).await;
        let link = SocialIdentity { user_id: session.claims.subject, provider: other, ..a_social_identity() };
        let mut tx = bench.world.store.begin().await.unwrap();
        tx.social().insert(&link).await.unwrap();
        tx.commit().await.unwrap();
        let removed = bench.links.remove(&caller(&session.claims), &bench.idp.id, &browser()).await;
        assert_eq!(removed.is_ok(), configured, "{removed:?}");
        assert_eq!(bench.linked().len(), if configured { 1 } else { 2 });
    }
}

#[tokio::test]
async fn a_code_instead_of_a_password_is_a_way_in() {
    let mut world = World::default();
    world.configure(|settings| settings.factors.passwordless = true);
    let bench = Bench::new(world);
    let session = bench.come_in(of("7", ADA)).await;
    bench.links.remove(&caller(&session.claims), &bench.idp.id, &browser()).await.unwrap();
}

#[tokio::test]
async fn the_store_holds_no_state_and_nobody_is_named_in_the_log_of_failures() {
    let bench = Bench::new(World::default());
    bench.come(of("7", ADA)).await.unwrap();
    let (state, client) = bench.begin_at(&bench.idp).await;
    bench.complete(&state, &client, "an-unknown-code").await.unwrap_err();
    let rows = format!("{:?}", bench.world.rows.state());
    assert!(!rows.contains(state.expose()) && !rows.contains("an-unknown-code"));
    assert!(rows.contains("idp: invalid_grant"));
}
