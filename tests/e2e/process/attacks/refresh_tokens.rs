//! R09: refresh tokens nobody issued change nothing, however many are tried.

use super::Target;

/// splitmix64, so that every run tries the same.
fn scatter(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[tokio::test]
async fn r09_guessed_refresh_tokens() {
    let target = Target::start().await;
    let good = target.ada.refresh.clone();
    let parts: Vec<&str> = good.strip_prefix("ksr_").unwrap().split('.').collect();
    let [key, session, generation, mac] = parts[..] else { panic!("{} parts", parts.len()) };
    let next = (generation.parse::<u64>().unwrap() + 1).to_string();
    let swapped: String = mac.chars().rev().collect();
    let mut tried = vec![
        String::new(),
        "ksr_".into(),
        "ksr_...".into(),
        good[4..].to_owned(),
        good.to_uppercase(),
        format!("{good}="),
        format!("{good} "),
        format!("{good}."),
        format!(" {good}"),
        good[..good.len() - 1].to_owned(),
        format!("ksr_{key}.{session}.{next}.{mac}"),
        format!("ksr_{key}.{session}.-1.{mac}"),
        format!("ksr_{key}.{session}.0{generation}.{mac}"),
        format!("ksr_{key}.{session}.99999999999999999999.{mac}"),
        format!("ksr_{key}.{session}.{generation}.{swapped}"),
        format!("ksr_{key}.{session}.{generation}."),
        format!("ksr_{session}.{key}.{generation}.{mac}"),
        format!("ksr_nokey.{session}.{generation}.{mac}"),
    ];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut seed = 7;
    for _ in 0..500 {
        let guess: String = (0..mac.len()).map(|_| char::from(alphabet[(scatter(&mut seed) % 64) as usize])).collect();
        tried.push(format!("ksr_{key}.{session}.{generation}.{guess}"));
    }
    for token in &tried {
        let answer = target.api.refresh(&target.ada, token).await;
        target.refused(token, &answer, 401, "REFRESH_INVALID");
    }
    // As a credential of logout they end nothing either.
    for token in tried.iter().map(|token| token.trim()).filter(|token| token.len() > 40 && *token != good).take(30) {
        let bearer = format!("Bearer {token}");
        let headers = [("keystead-client", "native"), ("authorization", bearer.as_str())];
        target.api.send("POST", "/api/v1/auth/logout?all=true", &headers, None).await;
    }
    target.unharmed().await;
}
