//! `keystead user export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use keystead_application::operation::UserExport;

use super::args::UserExportArgs;
use super::data::with_services;
use super::outcome::{Outcome, Trouble};
use super::user_lines;

/// A new file that only its owner reads; never one that is there.
pub(super) fn new_private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Exports all users.
pub(super) fn run(args: &UserExportArgs) -> Outcome {
    with_services(&args.data, async |composed| {
        let services = &composed.services;
        let mut export = UserExport::new(services.store.clone(), services.clock.clone(), args.with_password_hashes);
        match &args.out {
            None => pages(&mut export, &mut io::stdout().lock()).await.map_err(Trouble::failed).map(drop),
            Some(path) => to_file(&mut export, path).await,
        }
    })
}

/// Writes a new file. One that could not be finished is removed: half of the users look like all of them.
async fn to_file(export: &mut UserExport, path: &Path) -> Outcome {
    let named = |error: &dyn std::fmt::Display| Trouble::failed(format!("{}: {error}", path.display()));
    let file = new_private_file(path).map_err(|error| named(&error))?;
    let mut writer = BufWriter::new(file);
    let written = match pages(export, &mut writer).await {
        Ok(count) => sync(&mut writer).map(|()| count).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match written {
        Ok(count) => {
            eprintln!("{count} users written to {}", path.display());
            Ok(())
        }
        Err(error) => {
            // The first error is the one worth telling.
            let _ = std::fs::remove_file(path);
            Err(named(&error))
        }
    }
}

fn sync(writer: &mut BufWriter<File>) -> io::Result<()> {
    writer.flush()?;
    writer.get_ref().sync_all()
}

/// Writes a line for each user. Returns how many.
async fn pages(export: &mut UserExport, to: &mut dyn Write) -> Result<u64, String> {
    let mut count = 0;
    loop {
        let page = export.next_page().await.map_err(|error| error.to_string())?;
        if page.is_empty() {
            to.flush().map_err(|error| error.to_string())?;
            return Ok(count);
        }
        for user in &page {
            let line = user_lines::write(user).map_err(|error| error.to_string())?;
            writeln!(to, "{line}").map_err(|error| error.to_string())?;
            count += 1;
        }
    }
}
