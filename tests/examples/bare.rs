//! The yardsticks of `cargo xtask bench`: a bare actix-web server that answers fixed bytes, and a loop of raw Argon2id.
//!
//! `bare serve PATH HEAD-FILE BODY-FILE WORKERS` prints where it listens; the first line of the head file is the status,
//! the others are header fields. `bare raw-argon2 THREADS SECONDS` prints hashes a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use argon2::{Algorithm, Argon2, Block, Params, Version};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

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

#[actix_web::main]
async fn serve(path: &str, head: &str, body: &str, workers: &str) -> Outcome {
    let read = Answer::read(&std::fs::read_to_string(head)?, std::fs::read(body)?)?;
    let (data, path) = (web::Data::from(Arc::new(read)), path.to_owned());
    let server = HttpServer::new(move || App::new().app_data(data.clone()).route(&path, web::post().to(answer)))
        .workers(workers.parse()?)
        .bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    println!("listening on http://{address}");
    Ok(server.run().await?)
}

/// Keystead's parameters, memory reused, nothing but hashing.
fn raw_argon2(threads: &str, seconds: &str) -> Outcome<f64> {
    let params = Params::new(19_456, 2, 1, Some(32))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let start = now();
    let until = start + Duration::from_secs(seconds.parse()?);
    let hash_until = || -> Outcome<u32> {
        let mut memory = vec![Block::default(); argon.params().block_count()];
        let (mut output, mut count) = ([0; 32], 0);
        while now() < until {
            let done = argon.hash_password_into_with_memory(
                b"plough-harbour-violet-93",
                b"0123456789abcdef",
                &mut output,
                &mut memory,
            );
            done?;
            count += 1;
        }
        Ok(count)
    };
    let threads: usize = threads.parse()?;
    let counts: Vec<Outcome<u32>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(hash_until)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let mut total = 0;
    for count in counts {
        total += count?;
    }
    Ok(f64::from(total) / start.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a yardstick measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", path, head, body, workers] => serve(path, head, body, workers),
        ["raw-argon2", threads, seconds] => {
            println!("{:.3}", raw_argon2(threads, seconds)?);
            Ok(())
        }
        _ => Err("usage: bare serve PATH HEAD-FILE BODY-FILE WORKERS | bare raw-argon2 THREADS SECONDS".into()),
    }
}
