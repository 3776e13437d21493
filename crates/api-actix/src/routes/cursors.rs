//! Cursors as texts: `page[after]` comes back from clients, who may write anything there.

use super::paging::cursor_to;
use super::{admin, attendance, sessions};
use crate::http::ApiError;

/// A list whose cursors name a time and a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorOf {
    /// `/attendances`, one's own and everybody's.
    Attendances,
    /// `/login-history`, one's own and somebody's.
    LoginHistory,
    /// `/admin/outbox`.
    Outbox,
    /// `/admin/users`.
    Users,
}

impl CursorOf {
    /// Every such list.
    pub const ALL: [Self; 4] = [Self::Attendances, Self::LoginHistory, Self::Outbox, Self::Users];
}

/// What a list understands of a cursor, written as the list writes it itself; 400 INVALID_PARAMETER when it is none.
pub fn canonical_cursor(list: CursorOf, text: &str) -> Result<String, ApiError> {
    Ok(match list {
        CursorOf::Attendances => attendance::read_cursor(text).map(|(at, id)| cursor_to(at, &id))?,
        CursorOf::LoginHistory => sessions::read_cursor(text).map(|cursor| sessions::write_cursor(&cursor))?,
        CursorOf::Outbox => admin::outbox::read_cursor(text).map(|(at, id)| cursor_to(at, &id.0))?,
        CursorOf::Users => admin::users::read_cursor(text).map(|(at, id)| cursor_to(at, &id))?,
    })
}
