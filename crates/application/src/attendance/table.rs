//! Rows as lines of a file that spreadsheets open (RFC 4180).

use keystead_domain::attendance::{Presence, Remarks};

use super::{AttendanceView, Calendar};

/// The line with the names of the columns.
pub const HEADER: &str = "date,userId,fullName,email,\
    checkedInAt,checkedInIp,checkedInUserAgent,checkedInRemarks,\
    checkedOutAt,checkedOutIp,checkedOutUserAgent,checkedOutRemarks,remindedAt,id\r\n";

/// The line of a row. Times are local ones with their distance from UTC.
pub fn line(view: &AttendanceView, calendar: &Calendar) -> String {
    let row = &view.attendance;
    let user = view.user.as_ref();
    let mut cells = vec![
        row.date.to_string(),
        row.user_id.to_string(),
        user.and_then(|user| user.full_name.as_ref()).map(ToString::to_string).unwrap_or_default(),
        user.and_then(|user| user.email_address()).map(ToString::to_string).unwrap_or_default(),
    ];
    cells.extend(presence(Some(&row.entered), calendar));
    cells.extend(presence(row.left.as_ref(), calendar));
    cells.push(row.reminded_at.map(|at| calendar.local(at)).unwrap_or_default());
    cells.push(row.id.to_string());
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

fn presence(presence: Option<&Presence>, calendar: &Calendar) -> [String; 4] {
    let Some(Presence { at, device, remarks }) = presence else { return Default::default() };
    [
        calendar.local(*at),
        device.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        device.user_agent.clone().unwrap_or_default(),
        remarks.as_ref().map(Remarks::as_str).unwrap_or_default().to_owned(),
    ]
}

/// A cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe in front (OWASP, CSV
/// Injection). All cells are quoted, so that nothing inside one begins another; and because in many countries a spreadsheet
/// splits at semicolons, whatever is quoted, what follows one, or another separator, is treated like a beginning, too.
pub fn cell(text: &str) -> String {
    // The wide forms are those of East Asian keyboards; some spreadsheets read them alike.
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    const SEPARATOR: [char; 5] = [';', ',', '\t', '|', '"'];
    if text.is_empty() {
        return String::new();
    }
    let mut cell = String::from('"');
    let mut begins = true;
    for letter in text.chars() {
        if begins && FORMULA.contains(&letter) {
            cell.push('\'');
        }
        if letter == '"' {
            cell.push('"');
        }
        cell.push(letter);
        begins = SEPARATOR.contains(&letter) || begins && letter.is_whitespace();
    }
    cell.push('"');
    cell
}
