//! How the end of a Ruby child is told to a person.

use gorgon_process::child::End;

/// What Ruby's own handler prints of a fault before it aborts, and the signal that it stands for.
const REPORTS: &[(&str, &str)] = &[
    ("[BUG] Segmentation fault", "segmentation fault, SIGSEGV"),
    ("[BUG] Bus Error", "bus error, SIGBUS"),
    ("[BUG] Illegal instruction", "illegal instruction, SIGILL"),
    ("[BUG]", "a bug of Ruby or of an extension"),
];

/// Returns how a child ended: its status or signal, and what Ruby itself reported in `output`,
/// since it ends a SIGSEGV as SIGABRT.
#[must_use]
pub fn describe_end(end: End, output: &str) -> String {
    const SIGABRT: i32 = 6;
    let report = REPORTS.iter().find(|(text, _)| output.contains(text));
    match (end, report) {
        (End::Signaled(SIGABRT), Some((_, fault))) => format!("{end} (Ruby reported: {fault})"),
        (end, _) => end.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segmentation_fault_is_named_although_ruby_aborts() {
        for (end, output, text) in [
            (End::Exited(0), "[BUG] Segmentation fault", "exit status 0"),
            (End::Signaled(15), "", "SIGTERM"),
            (End::Signaled(6), "abort()", "SIGABRT"),
            (
                End::Signaled(6),
                "a_spec.rb:3: [BUG] Segmentation fault at 0x0",
                "SIGABRT (Ruby reported: segmentation fault, SIGSEGV)",
            ),
        ] {
            assert_eq!(describe_end(end, output), text);
        }
    }
}
