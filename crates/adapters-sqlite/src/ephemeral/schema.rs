//! The tables only the embedded store has.

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use keystead_adapters_sql::types::{Moment, UserUuid};

    sessions (id) {
        id -> Text,
        user_id -> UserUuid,
        client -> Text,
        fingerprint -> Binary,
        head -> BigInt,
        head_key -> Text,
        previous_key -> Nullable<Text>,
        rotated_at -> Nullable<Moment>,
        rotations_since -> Moment,
        rotations -> BigInt,
        epoch -> BigInt,
        role -> Text,
        amr -> Text,
        auth_time -> Moment,
        created_at -> Moment,
        last_seen_at -> Moment,
        expires_at -> Moment,
        checked_at -> Moment,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        ended -> Nullable<Text>,
        impersonator -> Nullable<UserUuid>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Text};
    use keystead_adapters_sql::types::Moment;

    ceremonies (kind, id) {
        kind -> Text,
        id -> Text,
        state -> Binary,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use keystead_adapters_sql::types::Moment;

    rate_windows (policy, key) {
        policy -> Text,
        key -> Text,
        count -> BigInt,
        resets_at -> Moment,
    }
}
