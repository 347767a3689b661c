private import CHost

/// The user's or the launcher's wish to stop: SIGINT, SIGTERM and SIGUSR1, seen as a flag between steps. The last is
/// what mpirun passes on at once, and ends nothing by.
package enum Interrupt {
  /// Has these signals end the process at once with status 0, until `install`: for a server that still loads.
  package static func leaveAtOnce() throws(MachineError) {
    let error = host_interrupt_leave()
    guard error == 0 else { throw .system("sigaction", error) }
  }

  /// Takes over these signals for the rest of the process; a second SIGINT ends it at once with status 130.
  package static func install() throws(MachineError) {
    let error = host_interrupt_install()
    guard error == 0 else { throw .system("sigaction", error) }
  }

  /// Whether a signal has come since the process started.
  package static var requested: Bool { host_interrupt_requested() != 0 }
}
