use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::attendance::AttendanceId;

use super::manage::views;
use super::{Calendar, HEADER, line};
use crate::failure::Failure;
use crate::ports::{AttendanceFilter, AttendancePage, Store};

/// Rows read at once: what an export holds in memory, however long it is.
const PAGE: u32 = 500;

/// A file of rows (RFC 4180) in parts, newest first. Rows that are made meanwhile are not in it.
pub struct AttendanceExport {
    store: Arc<dyn Store>,
    calendar: Calendar,
    filter: AttendanceFilter,
    place: Place,
}

enum Place {
    Begin,
    After((Timestamp, AttendanceId)),
    End,
}

impl AttendanceExport {
    pub(super) fn new(store: Arc<dyn Store>, calendar: Calendar, filter: AttendanceFilter) -> Self {
        Self { store, calendar, filter, place: Place::Begin }
    }

    /// The next part; `None` after the last. The first one begins with the names of the columns.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        let (mut text, after) = match self.place {
            Place::Begin => (HEADER.to_owned(), None),
            Place::After(place) => (String::new(), Some(place)),
            Place::End => return Ok(None),
        };
        let rows = views(&*self.store, &AttendancePage { filter: self.filter.clone(), after, size: PAGE }).await?;
        text.extend(rows.iter().map(|row| line(row, &self.calendar)));
        self.place = match rows.last().filter(|_| rows.len() >= PAGE as usize) {
            Some(last) => Place::After((last.attendance.entered.at, last.attendance.id)),
            None => Place::End,
        };
        Ok(Some(text))
    }
}
