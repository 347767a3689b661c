private import CHost

/// The user's or the launcher's wish to stop: SIGINT and SIGTERM, seen as a flag between steps.
package enum Interrupt {
  /// Takes over both signals for the rest of the process; a second SIGINT ends it at once with status 130.
  package static func install() throws(MachineError) {
    let error = host_interrupt_install()
    guard error == 0 else { throw .system("sigaction", error) }
  }

  /// Whether a signal has come since the process started.
  package static var requested: Bool { host_interrupt_requested() != 0 }
}
