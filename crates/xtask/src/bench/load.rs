//! Load by threads of this program, for requests that differ each time, and what any load measures.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{Connection, Reply};
use crate::service::Service;
use crate::{Outcome, sample};

/// One sample of a load.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Answers with 2xx, a second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// Processor time of the server for each answer.
    pub(crate) cpu_micros: Option<f64>,
    /// Answers with another status, and requests without one.
    pub(crate) failed: u64,
}

impl Measured {
    /// The sample with the middle rate; failures of all samples are added up.
    pub(crate) fn median(samples: &[Self]) -> Outcome<Self> {
        let failed = samples.iter().map(|sample| sample.failed).sum();
        let mut sorted: Vec<&Self> = samples.iter().collect();
        sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let middle = sorted.get(sorted.len() / 2).ok_or("no samples")?;
        Ok(Self { failed, ..(*middle).clone() })
    }
}

/// Runs a load and adds what it cost the server.
pub(crate) fn with_cpu(service: &Service, load: impl FnOnce() -> Outcome<(Measured, u64)>) -> Outcome<Measured> {
    let before = service.cpu_seconds()?;
    let (measured, answers) = load()?;
    let spent = service.cpu_seconds()? - before;
    Ok(Measured { cpu_micros: (answers > 0).then(|| spent * 1e6 / sample::float(answers)), ..measured })
}

/// One client: makes its next request, and may learn from the answer to its last one.
pub(crate) trait Script: Send {
    /// The bytes of the next request.
    fn next(&mut self) -> Outcome<Vec<u8>>;

    /// Reads an answer with 2xx.
    fn learn(&mut self, _reply: &Reply) -> Outcome {
        Ok(())
    }
}

/// The same request each time.
#[derive(Clone)]
pub(crate) struct Same(pub(crate) Vec<u8>);

impl Script for Same {
    fn next(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.0.clone())
    }
}

/// Each script on a connection and thread of its own, one request after the other, for so long. Returns the sample and
/// the number of answers of any status.
pub(crate) fn closed_loop(
    address: SocketAddr,
    scripts: &mut [impl Script],
    duration: Duration,
) -> Outcome<(Measured, u64)> {
    let start = sample::now();
    let results: Vec<Outcome<(Vec<f64>, u64)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = scripts
            .iter_mut()
            .map(|script| scope.spawn(move || one_client(address, script, start + duration)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client panicked".into()))).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let (mut millis, mut failed) = (Vec::new(), 0);
    for result in results {
        let (own, others) = result?;
        millis.extend(own);
        failed += others;
    }
    let good = millis.len() as u64;
    let measured = Measured {
        rate: sample::float(good) / seconds,
        p50: sample::percentile(&millis, 50),
        p99: sample::percentile(&millis, 99),
        cpu_micros: None,
        failed,
    };
    Ok((measured, good + failed))
}

fn one_client(address: SocketAddr, script: &mut impl Script, until: std::time::Instant) -> Outcome<(Vec<f64>, u64)> {
    let mut connection = Connection::open(address)?;
    let (mut millis, mut failed) = (Vec::new(), 0);
    while sample::now() < until {
        let request = script.next()?;
        let (took, reply) = sample::timed(|| connection.send(&request));
        match reply {
            Ok(reply) if (200..300).contains(&reply.status) => {
                millis.push(took);
                script.learn(&reply)?;
            }
            _ => failed += 1,
        }
    }
    Ok((millis, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_sample_is_kept_whole_and_no_failure_is_lost() {
        let of = |rate: f64, failed| Measured { rate, p50: rate / 10.0, p99: rate, cpu_micros: None, failed };
        let median = Measured::median(&[of(3.0, 1), of(1.0, 0), of(2.0, 4)]).unwrap();
        assert_eq!((median.rate.to_string(), median.p50.to_string(), median.failed), ("2".into(), "0.2".into(), 5));
        assert!(Measured::median(&[]).is_err());
    }
}
