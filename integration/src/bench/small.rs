//! How little a host needs: the idle listener, a worker at work, the binaries.

use std::{fs, time::Duration};

use crossbeam_channel::after;

use super::{Bench, figure::Figure};
use crate::{binaries, cluster::Cluster, project::Project, run::RUN_LIMIT};

/// So long the idle listener is looked at.
const IDLE: Duration = Duration::from_secs(5);
/// Between them all files that a worker runs before the last, which looks at it.
const FILES: usize = 200;

const LOOK: &str = "RSpec.describe('look') do
  it 'reads what the worker of this job took at most' do
    workers = Dir['/proc/[0-9]*'].select do |process|
      words = File.binread(\"#{process}/cmdline\").split(\"\\0\")
      words[0].to_s.end_with?('/gorgon-worker') && words.include?(ENV['GORGON_JOB_ID'])
    rescue SystemCallError
      false
    end
    kilobytes = workers.map do |process|
      status = File.read(\"#{process}/status\")
      %w[VmHWM RssAnon].map { |key| status[/^#{key}:\\s+(\\d+)/, 1].to_i }
    end
    File.write('peak', kilobytes.max.join(' '))
  end
end
";

/// Idle listener, worker, sizes.
///
/// # Errors
/// When /proc or a file cannot be read.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut rows = listener()?;
    rows.extend(worker(bench)?);
    for name in ["originator", "listener", "worker-manager", "worker"] {
        let path = binaries::path(&format!("gorgon-{name}"));
        let size = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let what = format!("size of gorgon-{name}");
        rows.push(Figure::new(what, "MB", size.len() as f64 / 1e6, None));
    }
    Ok(rows)
}

fn listener() -> Result<Vec<Figure>, String> {
    let cluster = Cluster::start(&[("idle", 2)]);
    let pid = cluster.host("idle").pid();
    let before = cpu_ns(pid)?;
    // Time itself is what is waited for.
    let _ = after(IDLE).recv();
    let used = (cpu_ns(pid)? - before) / IDLE.as_secs_f64() / 1e9 * 100.0;
    let resident = fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        })
        .ok_or("the listener's memory cannot be read")?;
    Ok(vec![
        Figure::new("idle listener, CPU", "%", used, 0.1),
        Figure::new("idle listener, resident", "MB", resident / 1000.0, 10.0),
    ])
}

/// The processor time of all threads, of which the scheduler keeps account.
fn cpu_ns(pid: u32) -> Result<f64, String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
    let of = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    Ok(tasks.flatten().filter_map(of).sum())
}

fn worker(bench: &Bench) -> Result<Vec<Figure>, String> {
    let project = Project::empty(&bench.home);
    for n in 0..FILES {
        let text = format!("RSpec.describe('{n}') {{ it('adds') {{ expect(1 + 1).to eq(2) }} }}\n");
        project.write(&format!("spec/a{n:03}_spec.rb"), &text);
    }
    project.write("spec/z_spec.rb", LOOK);
    let run = crate::run::start(&bench.home, &project, &["--local=1", "-q"]);
    let finished = run.finished(RUN_LIMIT);
    let peak = fs::read_to_string(project.path().join("peak"));
    let (peak, own) = peak
        .ok()
        .and_then(|text| {
            let (peak, own) = text.split_once(' ')?;
            Some((peak.parse::<f64>().ok()?, own.parse::<f64>().ok()?))
        })
        .ok_or(format!("no worker was seen: {finished:?}"))?;
    let row = |what, kilobytes: f64, budget: Option<f64>| {
        Figure::new(what, "MB", kilobytes / 1000.0, budget)
    };
    Ok(vec![
        row("worker, resident at most", peak, Some(6.0)),
        row("worker, of that its own, of no file", own, None),
    ])
}
