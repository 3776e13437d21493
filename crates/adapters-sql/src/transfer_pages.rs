//! Whole rows of every table, page by page in the order of their key.
//!
//! Like `repositories/` this is compiled by each adapter, against the `Connection` its own `transfer` module names.

use diesel::QueryResult;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::schema;
use keystead_adapters_sql::transfer::{Rows, Tally};

use super::Connection;

/// Rows of a page.
const PAGE: i64 = 1000;

/// The rows behind the last one of the page before.
macro_rules! behind {
    ($query:expr, $table:ident, $last:expr, $key:ident) => {
        $query.filter(schema::$table::$key.gt($last.$key.clone()))
    };
    // The first condition finds the place in the index, the second skips what shares the first column.
    ($query:expr, $table:ident, $last:expr, $first:ident, $second:ident) => {
        $query.filter(schema::$table::$first.ge($last.$first.clone())).filter(
            schema::$table::$first.gt($last.$first.clone()).or(schema::$table::$second.gt($last.$second.clone())),
        )
    };
}

macro_rules! read {
    ($($Row:ident $table:ident ($($key:ident),+) { $($column:ident: $type:ty),+ $(,)? })+) => {
        /// The page after this one, of the same table; the first one after an empty page.
        async fn page_after(connection: &mut Connection, page: &Rows) -> QueryResult<Rows> {
            match page {
                $(Rows::$Row(rows) => {
                    let query = schema::$table::table.order(($(schema::$table::$key,)+)).limit(PAGE);
                    let rows = match rows.last() {
                        None => query.load(connection).await?,
                        Some(last) => behind!(query, $table, last, $($key),+).load(connection).await?,
                    };
                    Ok(Rows::$Row(rows))
                })+
            }
        }
    };
}
keystead_adapters_sql::with_every_table!(read);

/// Reads every table from its first row to its last.
pub(super) struct Pages {
    /// The page that was read last, of the table being read; the tables to come below it.
    waiting: Vec<Rows>,
    tallies: Vec<Tally>,
}

impl Pages {
    /// At the first row of the first table.
    pub(super) fn new() -> Self {
        let mut waiting = Rows::none();
        waiting.reverse();
        Self { waiting, tallies: Tally::nothing() }
    }

    /// The next rows; `None` when all were read.
    pub(super) async fn next(&mut self, connection: &mut Connection) -> QueryResult<Option<&Rows>> {
        while let Some(last) = self.waiting.pop() {
            let page = page_after(connection, &last).await?;
            if !page.is_empty() {
                Tally::add(&mut self.tallies, &page);
                self.waiting.push(page);
                return Ok(self.waiting.last());
            }
        }
        Ok(None)
    }

    /// What was read so far.
    pub(super) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }
}
