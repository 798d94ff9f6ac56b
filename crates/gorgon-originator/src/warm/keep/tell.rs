//! What the keeper tells, and whom.

use std::fs;

use gorgon_ruby::warm::{FromKeeper, Status};

use super::{Keeper, Next, Phase, meet};

impl Keeper {
    pub(super) fn status(&self) -> Status {
        let ruby = self.loaded.as_ref().map(|it| it.ruby.pid());
        let resident = || -> Option<u64> {
            let text = fs::read_to_string(format!("/proc/{}/status", ruby?)).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let state = match self.phase {
            Phase::Empty => "empty",
            Phase::Booting(_) => "booting",
            Phase::Idle => "idle",
            Phase::InUse(..) => "in use",
        };
        Status {
            project: self.project.clone(),
            keeper: std::process::id(),
            pid: ruby,
            state: state.to_owned(),
            idle_s: self.used_at.elapsed().as_secs_f64(),
            limit_s: self.limit.as_secs_f64(),
            paths: self
                .loaded
                .as_ref()
                .and_then(|it| it.proof.as_ref())
                .map_or(0, gorgon_recorder::Proof::paths),
            proof_ms: self
                .loaded
                .as_ref()
                .map_or(0.0, |it| it.proof_took.as_secs_f64() * 1000.0),
            jobs: self.jobs,
            resident_kb: resident().unwrap_or_default(),
        }
    }

    pub(super) fn output(&self) -> String {
        self.loaded
            .as_ref()
            .map(|it| it.ruby.output())
            .unwrap_or_default()
    }

    pub(super) fn decline(&mut self, stream: u64, why: &str) -> Next {
        self.tell(
            stream,
            &FromKeeper::Declined {
                why: why.to_owned(),
            },
        );
        Next::Wait
    }

    pub(super) fn tell_asker(&mut self, line: &FromKeeper) {
        let stream = match &self.phase {
            Phase::Booting(asker) => asker.stream,
            Phase::InUse(stream, _) => *stream,
            Phase::Empty | Phase::Idle => return,
        };
        self.tell(stream, line);
    }

    pub(super) fn tell(&mut self, stream: u64, line: &FromKeeper) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            meet::tell(stream, line);
        }
    }

    /// Tells the runs that watch.
    pub(super) fn explain(&mut self, text: &str, detail: bool) {
        for watcher in self.watchers.clone() {
            self.tell(
                watcher,
                &FromKeeper::Told {
                    text: text.to_owned(),
                    detail,
                },
            );
        }
    }

    /// Why it is not kept is told once, and again when it is something else.
    pub(super) fn explain_once(&mut self, why: &str) {
        let note = self.socket.with_extension("unkept");
        // A port or a process has another number each time.
        let same: String = why.chars().filter(|it| !it.is_ascii_digit()).collect();
        let told = fs::read_to_string(&note).is_ok_and(|text| text == same);
        // Where it cannot be written it is told again.
        let _ = fs::write(&note, same);
        self.explain(&format!("not kept warm: {why}"), told);
    }
}
