//! A bare actix-web server that answers fixed bytes.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::Outcome;

/// What the server answers, whatever it is asked.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: web::Bytes,
}

impl Answer {
    fn read(head: &str, body: Vec<u8>) -> Outcome<Self> {
        let mut lines = head.lines();
        let status = StatusCode::from_bytes(lines.next().unwrap_or_default().as_bytes())?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or("a header field is `name: value`")?;
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(Self { status, headers, body: body.into() })
    }
}

async fn answer(answer: web::Data<Answer>) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status);
    for header in &answer.headers {
        response.append_header(header);
    }
    response.body(answer.body.clone())
}

/// Serves `POST path`; the first line of the head file is the status, the others are header fields.
#[actix_web::main]
pub(crate) async fn serve(path: &str, head: &str, body: &str, workers: &str) -> Outcome {
    let read = Answer::read(&std::fs::read_to_string(head)?, std::fs::read(body)?)?;
    let (data, path) = (web::Data::from(Arc::new(read)), path.to_owned());
    let server = HttpServer::new(move || App::new().app_data(data.clone()).route(&path, web::post().to(answer)))
        .workers(workers.parse()?)
        .bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    println!("listening on http://{address}");
    Ok(server.run().await?)
}
