//! From files to HTTP/1.1 on the loopback interface: the page at `/`, the models at `/models/`.
//!
//! Small on purpose: GET and HEAD of files, one byte range, ETag. No upload, no listing, no other origin.

mod request;
mod response;

use anyhow::{Context, Result, bail};
use request::{Rejection, Request};
use response::Response;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where the demo listens when nobody says where.
const FIRST_PORT: u16 = 8080;
/// How many ports after that one are tried before the system is asked for any.
const PORTS_TRIED: u16 = 20;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// The two folders that are served.
struct Roots {
    site: PathBuf,
    models: PathBuf,
}

impl Roots {
    /// The file that a request's path names: the page's own, or under `/models/` a model's.
    fn file(&self, segments: &[String]) -> PathBuf {
        let (root, rest): (&Path, _) = match segments {
            [first, rest @ ..] if first == "models" => (&self.models, rest),
            all => (&self.site, all),
        };
        let file: PathBuf = std::iter::once(root).chain(rest.iter().map(Path::new)).collect();
        if file.is_dir() { file.join("index.html") } else { file }
    }
}

/// A running server; it ends with the process.
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on `port`, or on the first free one, and serves from threads of its own.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(site: PathBuf, models: PathBuf, port: Option<u16>) -> Result<Self> {
        let listener = listen(port)?;
        let address = listener.local_addr()?;
        let roots = Arc::new(Roots { site, models });
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let roots = Arc::clone(&roots);
                // A visitor who goes away mid-download is no error of ours.
                thread::spawn(move || drop(converse(stream, &roots)));
            }
        });
        Ok(Self { address, accepting })
    }

    /// `http://127.0.0.1:8080/`
    pub fn address(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves until the process is ended.
    pub fn wait(self) -> Result<()> {
        match self.accepting.join() {
            Ok(()) => bail!("the server stopped listening"),
            Err(_) => bail!("the server failed"),
        }
    }
}

fn listen(port: Option<u16>) -> Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = port {
        return bind(port).with_context(|| format!("port {port} of this machine can't be listened on"));
    }
    let mut candidates = (FIRST_PORT..FIRST_PORT + PORTS_TRIED).chain([0]);
    candidates.find_map(|port| bind(port).ok()).context("no port of this machine is free")
}

/// Answers one connection's requests until it closes, is idle for long, or makes no sense.
fn converse(stream: TcpStream, roots: &Roots) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = match Request::read(&mut reader)? {
            Ok(request) => request,
            Err(Rejection::Closed) => return Ok(()),
            Err(Rejection::Refused(status)) => {
                Response::empty(status).write(&mut writer, false)?;
                return writer.flush();
            }
        };
        let response = Response::to(&request, &roots.file(&request.segments));
        response.write(&mut writer, !request.head_only)?;
        writer.flush()?;
        if request.close {
            return Ok(());
        }
    }
}
