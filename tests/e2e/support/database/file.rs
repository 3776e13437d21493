//! A SQLite file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use keystead_api_actix::config::DEV_DATABASE;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Deletes every row of these tables.
pub fn forget(directory: &Path, tables: &[&str]) {
    let mut connection = SqliteConnection::establish(directory.join(DEV_DATABASE).to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    for table in tables {
        connection.batch_execute(&format!("DELETE FROM {table}")).unwrap();
    }
}

/// A connection that only reads.
pub struct File {
    connection: SqliteConnection,
    file: PathBuf,
}

impl File {
    pub fn open(directory: &Path) -> Self {
        let file = directory.join(DEV_DATABASE);
        let mut connection = SqliteConnection::establish(&format!("file:{}?mode=ro", file.display())).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        Self { connection, file }
    }

    pub fn count(&mut self, of: &str) -> i64 {
        let counts: Vec<Count> =
            sql_query(format!("SELECT count(*) AS count FROM {of}")).load(&mut self.connection).unwrap();
        counts[0].count
    }

    fn rows(&mut self, query: &str) -> Vec<String> {
        let rows: Vec<Row> = sql_query(query).load(&mut self.connection).unwrap();
        rows.into_iter().map(|row| row.row).collect()
    }

    pub fn generation(&mut self, session: &str) -> i64 {
        let heads: Vec<Count> = sql_query(format!("SELECT head AS count FROM sessions WHERE id = '{session}'"))
            .load(&mut self.connection)
            .unwrap();
        heads[0].count
    }

    pub fn dump(&mut self, without: &[&str]) -> BTreeMap<String, Vec<String>> {
        let tables = self.rows("SELECT name AS row FROM sqlite_master WHERE type = 'table' ORDER BY name");
        let mut dump = BTreeMap::new();
        for table in tables {
            let columns = self.rows(&format!("SELECT name AS row FROM pragma_table_info('{table}')"));
            let wanted = |column: &&String| !without.contains(&format!("{table}.{column}").as_str());
            let columns: Vec<String> =
                columns.iter().filter(wanted).map(|column| format!("'{column}=' || quote(\"{column}\")")).collect();
            let row = columns.join(" || ' ' || ");
            let rows = self.rows(&format!("SELECT {row} AS row FROM \"{table}\" ORDER BY 1"));
            dump.insert(table, rows);
        }
        dump
    }

    /// Runs these commands, on a connection that writes.
    pub fn command(&self, sql: &str) {
        let mut connection = SqliteConnection::establish(self.file.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection.batch_execute(sql).unwrap();
    }

    /// The bytes of every file of the database.
    pub fn bytes(&self) -> Vec<u8> {
        let name = self.file.file_name().unwrap().to_str().unwrap().to_owned();
        let files = std::fs::read_dir(self.file.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
        let ours = files.filter(|entry| entry.file_name().to_str().unwrap().starts_with(&name));
        ours.flat_map(|entry| std::fs::read(entry.path()).unwrap()).collect()
    }
}
