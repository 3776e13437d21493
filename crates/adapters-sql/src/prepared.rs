//! Statements prepared once per connection.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement whose text is the same whatever its values are, so that a connection prepares it once: without this a
/// parse, and on PostgreSQL a round trip, come before every execution.
///
/// diesel takes every `UPDATE`, every `ON CONFLICT … DO UPDATE` and every piece of literal SQL for one that may differ
/// each time. Ours do not: values are bound, never written into the text.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<S>(pub S);

impl<DB: Backend, S: QueryFragment<DB>> QueryFragment<DB> for Prepared<S> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}

/// Found by its text.
impl<S> QueryId for Prepared<S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}
