//! Opening and closing the places that a stream goes to: a file, a viewer, a server for browsers.

use super::RerunConfig;
use crate::types::{Error, Result};
use ::rerun::external::re_uri::RedapUri;
use ::rerun::grpc_server::GrpcServerSink;
use ::rerun::sink::{FileSink, GrpcSink, LogSink};
use ::rerun::web_viewer::WebViewerConfig;
use ::rerun::{MemoryLimit, RecordingStream, RecordingStreamBuilder, ServerOptions, SpawnOptions};
use std::any::Any;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// An open stream and what must live as long.
pub struct Opened {
    /// The stream.
    pub stream: RecordingStream,
    /// Where a browser finds it.
    pub web_url: Option<String>,
    /// Whether somebody may be slow on the other side.
    pub viewer: bool,
    page: Option<Box<dyn Any + Send>>,
}

impl Opened {
    /// Closes everything; gives up waiting after `limit`, so that a stuck viewer cannot hold up the end.
    pub fn close(self, limit: Duration) {
        let (done, closed) = crossbeam_channel::bounded::<()>(1);
        let closer = std::thread::Builder::new().name("close viewer".into()).spawn(move || {
            let Self { stream, page, .. } = self;
            stream.disconnect();
            drop((stream, page));
            let _ = done.send(());
        });
        if closer.is_err() || closed.recv_timeout(limit).is_err() {
            tracing::warn!("the viewer's connection did not close within {} s", limit.as_secs());
        }
    }
}

/// The memory limit in Rerun's notation.
pub fn memory_limit(text: &str) -> Result<MemoryLimit> {
    MemoryLimit::parse(text).map_err(|_| Error::mismatch("a size such as 512MB or 25%", text, "rerun, memory_limit"))
}

/// Opens everything that the configuration names.
pub fn open(config: &RerunConfig, name: &str) -> Result<Opened> {
    let mut sinks: Vec<Box<dyn LogSink>> = Vec::new();
    let (mut web_url, mut page) = (None, None);
    if let Some(path) = &config.record {
        sinks.push(Box::new(file(path)?));
    }
    if config.spawn {
        let options = SpawnOptions { wait_for_bind: true, hide_welcome_screen: true, ..SpawnOptions::default() };
        let spawned = ::rerun::spawn(&options).map_err(|e| {
            let reason = e.to_string().lines().next().unwrap_or_default().trim().to_owned();
            Error::unavailable("the native viewer", format!("{reason}; `pip install rerun-sdk==0.36.3` brings it, or use the web viewer"))
        })?;
        sinks.push(Box::new(remote(&format!("rerun+http://127.0.0.1:{}/proxy", spawned.port))?));
    }
    if let Some(url) = &config.connect {
        sinks.push(Box::new(remote(url)?));
    }
    if config.web {
        let (sink, server, url) = web(config)?;
        sinks.push(Box::new(sink));
        (web_url, page) = (Some(url), Some(server));
    }
    let title = if name.is_empty() { "sensorium" } else { name };
    let builder = RecordingStreamBuilder::new("sensorium").recording_name(title);
    let stream = builder.set_sinks(sinks).map_err(|e| Error::unavailable("the viewer", e.to_string()))?;
    stream.set_log_tick_enabled(false);
    stream.set_log_time_enabled(false);
    let viewer = config.spawn || config.connect.is_some() || config.web;
    Ok(Opened { stream, web_url, viewer, page })
}

fn file(path: &Path) -> Result<FileSink> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    }
    FileSink::new(path).map_err(|e| Error::io("create", path, e))
}

/// That a closed recording has its end: Rerun's writer only logs what went wrong with that.
pub fn ended(path: &Path) -> Result<()> {
    /// More than the footer of a stream takes.
    const TAIL: u64 = 64;
    let fault = |e: std::io::Error| Error::io("read", path, e);
    let mut file = File::open(path).map_err(fault)?;
    let meta = file.metadata().map_err(fault)?;
    if !meta.is_file() {
        return Ok(());
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(meta.len().saturating_sub(TAIL))).map_err(fault)?;
    file.read_to_end(&mut tail).map_err(fault)?;
    if tail.windows(4).any(|w| w == b"FOOT") {
        return Ok(());
    }
    Err(Error::mismatch(
        "a recording with an end",
        format!("{} bytes without one; is the disk full?", meta.len()),
        path.display().to_string(),
    ))
}

/// A viewer that already listens; somebody must be there, since Rerun itself would wait for ever.
fn remote(url: &str) -> Result<GrpcSink> {
    let wanted = || Error::mismatch("an address such as rerun+http://127.0.0.1:9876/proxy", url, "rerun, connect");
    let Ok(RedapUri::Proxy(uri)) = url.parse::<RedapUri>() else { return Err(wanted()) };
    let (host, port) = (uri.origin.host.to_string(), uri.origin.port);
    let addresses = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(|e| Error::unavailable(format!("viewer at {url}"), e.to_string()))?;
    let mut reason = String::from("no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
            Ok(_) => return Ok(GrpcSink::new(uri)),
            Err(e) => reason = e.to_string(),
        }
    }
    Err(Error::unavailable(format!("viewer at {url}"), reason))
}

/// The server for data, the server for the page, and the address for the browser.
fn web(config: &RerunConfig) -> Result<(GrpcServerSink, Box<dyn Any + Send>, String)> {
    let host = config.web_host.as_str();
    let no_server = |e: String| Error::unavailable(format!("web viewer on {host}"), e);
    let port = free_port(host, config.grpc_port)?;
    let options = ServerOptions { memory_limit: memory_limit(&config.memory_limit)?, ..ServerOptions::default() };
    let sink = GrpcServerSink::new(host, port, options).map_err(|e| no_server(e.to_string()))?;
    let web_port = free_port(host, config.web_port)?;
    let page = WebViewerConfig { bind_ip: host.to_owned(), web_port: web_port.into(), open_browser: false, ..WebViewerConfig::default() };
    let server = page.host_web_viewer().map_err(|e| no_server(e.to_string()))?;
    let reachable = if host == "0.0.0.0" { "127.0.0.1" } else { host };
    let url = format!("{}/?url=rerun%2Bhttp%3A%2F%2F{reachable}%3A{port}%2Fproxy", server.server_url());
    Ok((sink, Box::new(server), url))
}

/// A port that nobody listens on: the wanted one, or any for 0. Rerun's server would only log that it failed.
fn free_port(host: &str, wanted: u16) -> Result<u16> {
    let taken =
        |e: std::io::Error| Error::unavailable(format!("port {wanted} on {host}"), format!("{e}; another program may use it, 0 takes any"));
    let listener = TcpListener::bind((host, wanted)).map_err(taken)?;
    listener.local_addr().map(|a| a.port()).map_err(taken)
}
