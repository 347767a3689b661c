import Threads

/// Commands on their way to a job, whose pipe may be full: appending never waits.
final class Outbox: Sendable {
  private struct Queue {
    var commands: [LinkCommand] = []
    var isClosed = false
  }

  private let queue = Monitor(Queue())

  func append(_ command: LinkCommand) {
    queue.change { if !$0.isClosed { $0.commands.append(command) } }
  }

  func close() { queue.change { $0 = Queue(commands: [], isClosed: true) } }

  /// Writes what is appended until closed, or until nobody reads.
  func write(to descriptor: Int32) {
    while true {
      let commands: [LinkCommand]? = queue.wait(atMost: .seconds(3600)) { queue in
        if queue.isClosed { return [] }
        guard !queue.commands.isEmpty else { return nil }
        defer { queue.commands = [] }
        return queue.commands
      }
      guard let commands else { continue }
      guard !commands.isEmpty else { return }
      for command in commands {
        guard writeAll(LinkLine.text(command.json), to: descriptor) else { return }
      }
    }
  }
}
