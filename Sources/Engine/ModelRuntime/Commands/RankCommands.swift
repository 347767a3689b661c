import Bytes
import Fabric
import Telemetry

/// How rank 0 tells all ranks what to do: one broadcast for each command, and one loop that hears them.
package final class RankCommands {
  /// A command as another rank heard it.
  package struct Heard {
    package let command: RankCommand
    /// What follows it.
    package var body: ByteReader
    /// When the rank began to wait, and when the command was there, in nanoseconds of its clock.
    package let waiting: UInt64
    package let arrived: UInt64
  }

  private let communicator: any Communicator
  private var writer = ByteWriter()

  package init(_ communicator: any Communicator) { self.communicator = communicator }

  /// Sends a command, and what `body` writes after it; on rank 0, which then does its own part. Collective with
  /// `follow`.
  package func send(_ command: RankCommand, body: (inout ByteWriter) -> Void = { _ in }) throws(FabricError) {
    writer.clear()
    command.write(to: &writer)
    body(&writer)
    var bytes = writer.bytes
    try communicator.broadcast(&bytes, from: Rank(0))
  }

  /// Hands commands to `carryOut` until one says stop, that one included; on every rank but 0. Throws
  /// `malformedCommand`, and what
  /// `carryOut` throws.
  package func follow(_ carryOut: (inout Heard) throws -> Void) throws {
    var bytes: [UInt8] = []
    while true {
      let waiting = Timestamp.now()
      // Rank 0 may have nothing to do for hours.
      communicator.sleepsWhileWaiting = true
      try communicator.broadcast(&bytes, from: Rank(0))
      communicator.sleepsWhileWaiting = false
      let arrived = Timestamp.now()
      var body = ByteReader(bytes)
      let command = try RankCommand(from: &body)
      var heard = Heard(command: command, body: body, waiting: waiting, arrived: arrived)
      try carryOut(&heard)
      if command == .stop { return }
    }
  }
}
