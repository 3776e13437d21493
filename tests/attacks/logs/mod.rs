//! L05 to L08: what is written down of a request: in logs, in the audit log, in mails, in files for spreadsheets.

mod audit;
mod flood;
mod injection;
mod names;
mod secrets;
