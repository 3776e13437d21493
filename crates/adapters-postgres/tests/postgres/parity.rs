//! Both databases have the same migrations, and the same tables after them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use keystead_adapters_postgres::{PgConfig, PgDatabase};
use keystead_test_servers::shared;

use crate::other_program;

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Migrations without a twin: sessions and the like are Redis' where there is PostgreSQL.
const SQLITE_ONLY: [&str; 2] = ["2026-11-21-000002_ephemeral", "2026-11-23-000011_sessions_impersonator"];

/// A table, as far as both databases can say it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name, kind of value, whether it may be absent; in order.
    columns: Vec<(String, String, bool)>,
    /// Unique or not, of some rows only or not, columns in order. The primary key is one of them.
    indexes: BTreeSet<(bool, bool, Vec<String>)>,
    primary_key: Vec<String>,
    /// Column, table and column it refers to, what happens when that row goes.
    references: BTreeSet<(String, String, String, String)>,
}

type Schema = BTreeMap<String, Table>;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    a: String,
    #[diesel(sql_type = Text)]
    b: String,
    #[diesel(sql_type = Text)]
    c: String,
    #[diesel(sql_type = Nullable<Text>)]
    d: Option<String>,
    #[diesel(sql_type = Bool)]
    x: bool,
    #[diesel(sql_type = Bool)]
    y: bool,
}

/// What SQLite says about itself.
fn sqlite_schema() -> (Vec<String>, Schema) {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    let mut names = Vec::new();
    // Makes the table migrations are noted in.
    assert!(connection.has_pending_migration(SQLITE).unwrap());
    let migrations: Vec<Box<dyn diesel::migration::Migration<Sqlite>>> =
        diesel::migration::MigrationSource::migrations(&SQLITE).unwrap();
    for migration in migrations {
        let name = migration.name().to_string();
        if !SQLITE_ONLY.contains(&name.as_str()) {
            connection.run_migration(&*migration).unwrap();
            names.push(name);
        }
    }
    names.sort();
    let mut rows = |sql: &str| diesel::sql_query(sql).load::<Row>(&mut connection).unwrap();
    let tables = rows(
        "SELECT name a, '' b, '' c, NULL d, 0 x, 0 y FROM sqlite_schema \
         WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'",
    );
    let mut schema = Schema::new();
    for Row { a: name, .. } in tables {
        let table = schema.entry(name.clone()).or_default();
        let columns = format!(
            "SELECT name a, type b, '' c, NULL d, \"notnull\" = 0 x, 0 y FROM pragma_table_info('{name}') ORDER BY cid"
        );
        table.columns = rows(&columns).into_iter().map(|row| (row.a, row.b, row.x)).collect();
        let key = format!(
            "SELECT name a, '' b, '' c, NULL d, 0 x, 0 y FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"
        );
        table.primary_key = rows(&key).into_iter().map(|row| row.a).collect();
        table.indexes.insert((true, false, table.primary_key.clone()));
        let indexes =
            format!("SELECT name a, '' b, '' c, NULL d, \"unique\" x, partial y FROM pragma_index_list('{name}')");
        for index in rows(&indexes) {
            let columns = format!(
                "SELECT name a, '' b, '' c, NULL d, 0 x, 0 y FROM pragma_index_info('{}') ORDER BY seqno",
                index.a
            );
            table.indexes.insert((index.x, index.y, rows(&columns).into_iter().map(|row| row.a).collect()));
        }
        let references = format!(
            "SELECT \"from\" a, \"table\" b, \"to\" c, on_delete d, 0 x, 0 y FROM pragma_foreign_key_list('{name}')"
        );
        for row in rows(&references) {
            table.references.insert((row.a, row.b, row.c, row.d.unwrap()));
        }
    }
    (names, schema)
}

/// The kind of value SQLite would use for a PostgreSQL type.
fn kind(postgres: &str) -> &str {
    match postgres {
        "bigint" | "timestamp with time zone" | "boolean" => "INTEGER",
        "text" => "TEXT",
        "uuid" | "bytea" => "BLOB",
        other => other,
    }
}

const COLUMNS: &str = "SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns \
                       WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' ORDER BY table_name, ordinal_position";
const INDEXES: &str = "SELECT t.relname, i.indisunique, i.indpred IS NOT NULL, i.indisprimary, \
                       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY k (number, place) \
                        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) \
                       FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
                       WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%'";
const REFERENCES: &str = "SELECT t.relname, a.attname, r.relname, b.attname, c.confdeltype::text, c.condeferrable AND c.condeferred \
                          FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid \
                          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] \
                          JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = c.confkey[1] WHERE c.contype = 'f'";
/// Indexed text that PostgreSQL would not compare by its bytes.
const COLLATED: &str = "SELECT t.relname || '.' || a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
                        JOIN pg_namespace n ON n.oid = t.relnamespace \
                        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(i.indkey) \
                        JOIN pg_collation l ON l.oid = a.attcollation \
                        WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%' AND l.collname <> 'C'";

async fn postgres_schema(client: &tokio_postgres::Client) -> Schema {
    let mut schema = Schema::new();
    for row in client.query(COLUMNS, &[]).await.unwrap() {
        let table = schema.entry(row.get(0)).or_default();
        table.columns.push((row.get(1), kind(row.get(2)).to_owned(), row.get(3)));
    }
    for row in client.query(INDEXES, &[]).await.unwrap() {
        let table = schema.entry(row.get(0)).or_default();
        let columns: Vec<String> = row.get(4);
        if row.get(3) {
            table.primary_key.clone_from(&columns);
        }
        table.indexes.insert((row.get(1), row.get(2), columns));
    }
    for row in client.query(REFERENCES, &[]).await.unwrap() {
        assert!(row.get::<_, bool>(5), "{row:?} is checked at the commit, as in SQLite");
        let action = match row.get::<_, &str>(4) {
            "c" => "CASCADE".to_owned(),
            other => other.to_owned(),
        };
        schema.entry(row.get(0)).or_default().references.insert((row.get(1), row.get(2), row.get(3), action));
    }
    schema
}

#[tokio::test]
async fn both_databases_have_the_same_migrations_and_tables() {
    let database = shared::fresh_database();
    let names = PgDatabase::migrate(&PgConfig::new(database.url())).unwrap();
    let client = other_program(database.url()).await;
    let (sqlite_names, sqlite) = sqlite_schema();
    assert_eq!(names, sqlite_names);
    assert!(sqlite.len() > 10, "{:?}", sqlite.keys());
    let postgres = postgres_schema(&client).await;
    assert_eq!(postgres.keys().collect::<Vec<_>>(), sqlite.keys().collect::<Vec<_>>());
    for (name, table) in &sqlite {
        assert_eq!(&postgres[name], table, "{name}: PostgreSQL, SQLite");
    }
    let collated: Vec<String> = client.query(COLLATED, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(collated, Vec::<String>::new());
}
