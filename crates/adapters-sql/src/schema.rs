//! The tables both databases have, as `migrations/` makes them.

#![expect(missing_docs, reason = "tables and columns are documented in migrations/")]

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    users (id) {
        id -> UserUuid,
        email -> Nullable<Text>,
        username -> Nullable<Text>,
        full_name -> Nullable<Text>,
        locale -> Nullable<Text>,
        role -> Text,
        status -> Text,
        epoch -> BigInt,
        sessions_epoch -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        phone -> Nullable<Text>,
        email_contact_id -> Nullable<UserUuid>,
        phone_contact_id -> Nullable<UserUuid>,
        email_otp -> Bool,
        phone_otp -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::types::{Moment, UserUuid};

    passwords (user_id) {
        user_id -> UserUuid,
        hash -> Text,
        updated_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    pending_registrations (id) {
        id -> UserUuid,
        email -> Text,
        username -> Nullable<Text>,
        full_name -> Nullable<Text>,
        password -> Nullable<Text>,
        created_at -> Moment,
        expires_at -> Moment,
        kind -> Text,
        srp -> Nullable<Binary>,
        social_provider -> Nullable<Text>,
        social_subject -> Nullable<Text>,
        social_label -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    link_tokens (hash) {
        hash -> Binary,
        purpose -> Text,
        user_id -> Nullable<UserUuid>,
        epoch -> BigInt,
        begun_as -> Nullable<Text>,
        created_at -> Moment,
        expires_at -> Moment,
        factor_proved -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use crate::types::Moment;

    outbox (id) {
        id -> Text,
        sealed -> Nullable<Binary>,
        attempts -> BigInt,
        created_at -> Moment,
        expires_at -> Moment,
        due_at -> Moment,
        dead_at -> Nullable<Moment>,
        last_error -> Nullable<Text>,
        leased_until -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    audit_events (id) {
        id -> BigInt,
        name -> Text,
        at -> Moment,
        actor_id -> Nullable<UserUuid>,
        subject_id -> Nullable<UserUuid>,
        session_id -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        impersonator_id -> Nullable<UserUuid>,
        detail -> Nullable<Text>,
        seal_key -> Nullable<Text>,
        seal -> Nullable<Binary>,
        position -> Nullable<BigInt>,
        hash -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Text};
    use crate::types::Moment;

    audit_checkpoints (kind, position) {
        kind -> Text,
        position -> BigInt,
        hash -> Binary,
        at -> Moment,
        seal_key -> Text,
        seal -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    revocations (id) {
        id -> BigInt,
        kind -> Text,
        target -> Text,
        user_id -> Nullable<UserUuid>,
        epoch -> Nullable<BigInt>,
        sessions_epoch -> Nullable<BigInt>,
        at -> Moment,
    }
}

diesel::table! {
    use crate::types::Moment;

    general_revocations (at) {
        at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::types::Moment;

    guess_budgets (policy, key) {
        policy -> Text,
        key -> Text,
        count -> BigInt,
        resets_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::Binary;
    use crate::types::{Moment, UserUuid};

    devices (user_id, hash) {
        user_id -> UserUuid,
        hash -> Binary,
        created_at -> Moment,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::types::{Moment, UserUuid};

    login_history (token_id) {
        token_id -> Text,
        session_id -> Text,
        user_id -> UserUuid,
        at -> Moment,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        impersonator_id -> Nullable<UserUuid>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::types::Moment;

    keys (id) {
        id -> Text,
        key_use -> Text,
        algorithm -> Text,
        sealed -> Binary,
        created_at -> Moment,
        active_from -> Moment,
        retires_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable};
    use crate::types::{Moment, UserUuid};

    totp (user_id) {
        user_id -> UserUuid,
        sealed -> Nullable<Binary>,
        last_step -> Nullable<BigInt>,
        confirmed_at -> Nullable<Moment>,
        pending -> Nullable<Binary>,
        pending_expires_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::types::{Moment, UserUuid};

    recovery_codes (user_id, selector) {
        user_id -> UserUuid,
        selector -> Text,
        hash -> Text,
        created_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    passkeys (id) {
        id -> UserUuid,
        user_id -> UserUuid,
        credential_id -> Binary,
        name -> Text,
        credential -> Binary,
        counter -> BigInt,
        aaguid -> UserUuid,
        backup_eligible -> Bool,
        backed_up -> Bool,
        user_verified -> Bool,
        created_at -> Moment,
        last_used_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::types::{Moment, UserUuid};

    pending_contacts (id) {
        id -> UserUuid,
        user_id -> UserUuid,
        kind -> Text,
        address -> Text,
        epoch -> BigInt,
        created_at -> Moment,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Bool, Nullable, Text};
    use crate::types::{Moment, UserUuid};

    contact_undos (hash) {
        hash -> Binary,
        user_id -> UserUuid,
        contact_id -> UserUuid,
        kind -> Text,
        address -> Text,
        otp_enabled -> Bool,
        other_contact_id -> Nullable<UserUuid>,
        created_at -> Moment,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::types::Moment;

    factor_failures (key) {
        key -> Text,
        device -> BigInt,
        totp -> BigInt,
        email -> BigInt,
        phone -> BigInt,
        recovery -> BigInt,
        blocks -> BigInt,
        blocked_until -> Nullable<Moment>,
        alerted_at -> Nullable<Moment>,
        last_at -> Nullable<Moment>,
        forgotten_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::types::Moment;

    factor_keys (id) {
        id -> Text,
        key_use -> Text,
        algorithm -> Text,
        sealed -> Binary,
        created_at -> Moment,
        active_from -> Moment,
        retires_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::Binary;
    use crate::types::{Moment, UserUuid};

    srp_credentials (user_id) {
        user_id -> UserUuid,
        sealed -> Binary,
        created_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::types::{Moment, UserUuid};

    social_identities (id) {
        id -> UserUuid,
        user_id -> UserUuid,
        provider -> Text,
        subject -> Text,
        label -> Nullable<Text>,
        created_at -> Moment,
        last_used_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::types::{Moment, UserUuid};

    attendances (id) {
        id -> UserUuid,
        user_id -> UserUuid,
        date -> Text,
        entered_at -> Moment,
        entered_ip -> Nullable<Text>,
        entered_user_agent -> Nullable<Text>,
        entered_remarks -> Nullable<Text>,
        left_at -> Nullable<Moment>,
        left_ip -> Nullable<Text>,
        left_user_agent -> Nullable<Text>,
        left_remarks -> Nullable<Text>,
        reminded_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::types::Moment;

    leases (name) {
        name -> Text,
        holder -> Text,
        until -> Moment,
    }
}

diesel::joinable!(passwords -> users (user_id));
diesel::joinable!(attendances -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    passwords,
    passkeys,
    srp_credentials,
    social_identities,
    attendances,
);
