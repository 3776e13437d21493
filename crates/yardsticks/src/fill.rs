//! Rows by the million, as years of use leave them.

use std::sync::Arc;
use std::time::Duration;

use keystead_api_actix::compose::{Composed, compose};
use keystead_application::ports::UserPage;
use keystead_application::random;
use keystead_domain::Timestamp;
use keystead_domain::account::{LoginName, User, UserId};
use keystead_domain::token::{Amr, ClientKind, DeviceInfo, Fingerprint, Generation, KeyId, Session};
use tokio::task::JoinSet;

use crate::stores::{Raw, load};
use crate::{Outcome, now};

/// Sessions written at once.
const AT_ONCE: usize = 64;
const LIFE: Duration = Duration::from_secs(15 * 86_400);

/// What one user of age leaves: a password, two logins, three audit events, a device; one in twenty an open link, one in
/// ten a revocation of the last fifteen days, a budget, a mail that waits for its next attempt and one that died.
///
/// `{users}` are the new users; the other words are what the databases say differently.
const STATEMENTS: [&str; 9] = [
    "INSERT INTO users (id, email, username, full_name, locale, role, status, epoch, sessions_epoch, created_at, updated_at) \
     SELECT {uuid}, 'u' || i || '@scale.example', 'user' || i, 'Scale User ' || i, 'en-GB', 'user', 'active', 1, 1, \
     {at:i}, {at:i} FROM {numbers}",
    "INSERT INTO passwords (user_id, hash, updated_at) SELECT id, (SELECT hash FROM passwords JOIN users ON users.id = user_id \
     WHERE email = '{like}'), created_at FROM {users}",
    "INSERT INTO login_history (token_id, session_id, user_id, at, ip, user_agent) SELECT s || '.' || {text}, s, id, at, \
     '203.0.113.7', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' \
     FROM (SELECT id, created_at AS at, {text} AS s FROM {users} CROSS JOIN (SELECT 1 UNION ALL SELECT 2) AS twice) AS logins",
    "INSERT INTO audit_events (name, at, actor_id, subject_id, session_id, ip, user_agent) SELECT 'authn_login_success', \
     created_at, id, id, {text}, '203.0.113.7', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' \
     FROM {users} CROSS JOIN (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS thrice",
    "INSERT INTO devices (user_id, hash, created_at, expires_at) SELECT id, {hash}, created_at, {end} FROM {users}",
    "INSERT INTO link_tokens (hash, purpose, user_id, epoch, begun_as, created_at, expires_at) \
     SELECT {hash}, 'reset', id, 1, NULL, created_at, {end} FROM {users} WHERE {one in:20}",
    "INSERT INTO revocations (kind, target, user_id, epoch, sessions_epoch, at) SELECT 'session', {text}, NULL, NULL, NULL, \
     {lately} FROM {users} WHERE {one in:10}",
    "INSERT INTO guess_budgets (policy, key, count, resets_at) SELECT 'login-account', 'login-account:user:' || {text}, 1, \
     {end} FROM {users} WHERE {one in:10}",
    "INSERT INTO outbox (id, sealed, attempts, created_at, expires_at, due_at, dead_at, last_error) SELECT {text}, {hash}, 3, \
     created_at, {end}, {end}, NULL, 'unreachable' FROM {users} WHERE {one in:10}; \
     INSERT INTO outbox (id, sealed, attempts, created_at, expires_at, due_at, dead_at, last_error) SELECT {text}, NULL, 5, \
     created_at, created_at, created_at, created_at, 'unreachable' FROM {users} WHERE {one in:10}",
];

/// The first of January 2026, in seconds since the Unix epoch: user number n was made n seconds later.
const ORIGIN: u64 = 1_767_225_600;
/// The first of January 2100.
const END: u64 = 4_102_444_800;
/// What a revocation may be old: a session's life.
const LATELY: u64 = 15 * 86_400;

/// Writes users number `from + 1` to `to`.
pub(crate) fn run(config: &str, from: u64, to: u64, like: &str) -> Outcome {
    let begun = now();
    let config = load(config)?;
    let composed = compose(&config)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut raw = Raw::open(&config).await?;
        raw.execute("BEGIN").await?;
        for statement in STATEMENTS {
            raw.execute(&filled(statement, &raw, from, to, like)).await?;
        }
        raw.execute("COMMIT").await?;
        let tidy = match raw {
            Raw::Sqlite(_) => ["PRAGMA wal_checkpoint(TRUNCATE)", "ANALYZE"],
            Raw::Postgres(_) => ["VACUUM ANALYZE", "CHECKPOINT"],
        };
        for statement in tidy {
            raw.execute(statement).await?;
        }
        let (rows, begun) = (begun.elapsed().as_secs_f64(), now());
        let sessions = sessions(&composed, from, to - from).await?;
        println!("{} users in {rows:.1} s, {sessions} sessions in {:.1} s", to - from, begun.elapsed().as_secs_f64());
        Ok(())
    })
}

/// A statement in the words of one database.
fn filled(statement: &str, raw: &Raw, from: u64, to: u64, like: &str) -> String {
    let sqlite = matches!(raw, Raw::Sqlite(_));
    let words = |sqlite_word: &str, postgres_word: &str| if sqlite { sqlite_word } else { postgres_word }.to_owned();
    let at = |seconds: &str| words(&format!("(({seconds}) * 1000000)"), &format!("to_timestamp({seconds})"));
    let numbers = words(
        &format!(
            "(WITH RECURSIVE n(i) AS (SELECT {from} + 1 UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n)"
        ),
        &format!("generate_series({from} + 1, {to}) AS n(i)"),
    );
    let (first, last) = (at(&format!("{ORIGIN} + {from}")), at(&format!("{ORIGIN} + {to}")));
    let users =
        format!("(SELECT id, created_at FROM users WHERE created_at > {first} AND created_at <= {last}) AS users");
    let lately = at(&words(
        &format!("CAST(strftime('%s', 'now') AS INTEGER) - abs(random() % {LATELY})"),
        &format!("extract(epoch FROM now()) - random() * {LATELY}"),
    ));
    let one_in = |n: u32| words(&format!("random() % {n} = 0"), &format!("random() < 1.0 / {n}"));
    statement
        .replace("{at:i}", &at(&format!("{ORIGIN} + i")))
        .replace("{end}", &at(&END.to_string()))
        .replace("{lately}", &lately)
        .replace("{numbers}", &numbers)
        .replace("{users}", &users)
        .replace("{uuid}", &words("randomblob(16)", "gen_random_uuid()"))
        .replace("{hash}", &words("randomblob(32)", "sha256(random()::text::bytea)"))
        .replace("{text}", &words("substr(hex(randomblob(11)), 1, 21)", "substr(md5(random()::text), 1, 21)"))
        .replace("{one in:20}", &one_in(20))
        .replace("{one in:10}", &one_in(10))
        .replace("{like}", like)
}

/// A session for each of `count` users after number `from`, through the port.
async fn sessions(composed: &Composed, from: u64, count: u64) -> Outcome<u64> {
    let (services, store) = (&composed.services, &composed.background.sessions);
    let (mut tasks, mut written) = (JoinSet::new(), 0);
    let mut after = number(composed, from).await?;
    while written < count {
        let page = UserPage { after, size: 1000, ..UserPage::default() };
        let users = services.store.read().await?.users().list(&page).await?;
        after = Some(users.last().map(|user| (user.created_at, user.id)).ok_or("fewer users than were written")?);
        for user in users.iter().take(usize::try_from(count - written)?) {
            if tasks.len() >= AT_ONCE {
                tasks.join_next().await.ok_or("no task")???;
            }
            let (session, store) = (session(composed, user)?, Arc::clone(store));
            tasks.spawn(async move { store.insert(&session).await });
            written += 1;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(written)
}

/// The user of a number; nobody is number 0.
async fn number(composed: &Composed, number: u64) -> Outcome<Option<(Timestamp, UserId)>> {
    let mut tx = composed.services.store.read().await?;
    let found = tx.users().find_by_login_name(&LoginName::parse(&format!("u{number}@scale.example"))).await?;
    Ok(found.map(|(user, _)| (user.created_at, user.id)))
}

/// A session as a login makes it.
fn session(composed: &Composed, user: &User) -> Outcome<Session> {
    let (services, now) = (&composed.services, composed.services.clock.now());
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let mut fingerprint = [0; 32];
    services.entropy.fill(&mut fingerprint);
    Ok(Session {
        id: random::session_id(&*services.entropy),
        user_id: user.id,
        client: ClientKind::Browser,
        fingerprint: Fingerprint(fingerprint),
        head: Generation::FIRST,
        head_key: KeyId::parse(random::secret(&*services.entropy).expose()).ok_or("no key id")?,
        previous_key: None,
        rotated_at: None,
        rotations_since: now,
        rotations: 0,
        epoch: user.epoch,
        role: user.role,
        amr: vec![Amr::Password],
        auth_time: now,
        created_at: now,
        last_seen_at: now,
        expires_at: now.plus(LIFE),
        checked_at: now,
        device: DeviceInfo::new(Some("203.0.113.7".parse()?), Some(agent)),
        impersonator: None,
        ended: None,
    })
}
