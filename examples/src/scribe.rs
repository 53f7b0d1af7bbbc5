//! Records the traffic of a program: as a sequence chart, a capture file, or both.

use core::net::SocketAddr;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use clap::Args;

use crate::{
    chart::Chart,
    driver::{Captured, Tap},
    exit, pcap,
};

/// What a server program records of its traffic.
#[derive(Args, Clone, Debug)]
pub struct RecordArguments {
    /// Draws the traffic to standard error
    #[arg(long)]
    chart: bool,
    /// Writes the traffic to a capture file
    ///
    /// What is sent without security can be read in it, such as keys.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pcap: Option<PathBuf>,
}

impl RecordArguments {
    /// A scribe, whose capture file is there. The clock of the driver must be at zero.
    ///
    /// # Errors
    ///
    /// Of a file that can't be written.
    pub fn scribe(&self) -> io::Result<Scribe> {
        let scribe = Scribe::default();
        if let Some(file) = &self.pcap {
            scribe.capture(file)?;
        }
        Ok(scribe)
    }

    /// Begins the chart, if there is one, of a program with this name and address.
    pub fn begin_chart(&self, scribe: &Scribe, name: &str, address: SocketAddr) {
        if self.chart {
            eprint!("{}", Chart::heading("client", name));
            scribe.draw(Chart::new(address), io::stderr());
        }
    }
}

/// Records the datagrams of several drivers.
#[derive(Clone, Default)]
pub struct Scribe {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    chart: Option<(Chart, Box<dyn Write + Send>)>,
    capture: Option<pcap::Writer<File>>,
    failure: Option<io::Error>,
}

impl Scribe {
    /// One that writes a chart.
    pub fn draw(&self, chart: Chart, out: impl Write + Send + 'static) {
        self.locked().chart = Some((chart, Box::new(out)));
    }

    /// One that writes a capture file. The clock of the drivers must be at zero.
    pub fn capture(&self, file: &Path) -> io::Result<()> {
        let created = File::create(file).map_err(exit::about(file.display()))?;
        let writer = pcap::Writer::new(created, SystemTime::now())?;
        self.locked().capture = Some(writer);
        Ok(())
    }

    /// Writes a line into the chart.
    pub fn note(&self, line: &str) {
        self.locked().print(&format!("{line}\n"));
    }

    /// A tap for a driver. If one program drives both ends, received datagrams must not be recorded
    /// a second time.
    pub fn tap(&self, received: bool) -> Tap {
        let scribe = self.clone();
        Box::new(move |captured| {
            if captured.sent || received {
                scribe.locked().write(&captured);
            }
        })
    }

    /// The first failure to write, if there was any.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.locked().failure.take()
    }

    fn locked(&self) -> impl core::ops::DerefMut<Target = Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn write(&mut self, captured: &Captured<'_>) {
        if let Some((chart, _)) = &mut self.chart {
            let rows = chart.rows(captured);
            self.print(&rows);
        }
        if let Some(capture) = &mut self.capture {
            let written = capture.write(captured);
            self.keep_failure(written);
        }
    }

    fn print(&mut self, text: &str) {
        if let Some((_, out)) = &mut self.chart {
            let written = out.write_all(text.as_bytes());
            self.keep_failure(written);
        }
    }

    fn keep_failure(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }
}

impl core::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scribe").finish_non_exhaustive()
    }
}
