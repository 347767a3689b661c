import Glibc
import Machine

/// A command run to its end, or to the end of its time.
package struct TimedCommand: Sendable {
  package enum End: Sendable, Equatable {
    case exited(Int32)
    case signalled(Int32)
    case tooLate
  }

  package var end: End
  package var output: String
  package var errors: String

  /// What each stream may hold; a command that writes more is cut off there.
  private static let outputLimit = 64 << 20

  /// Runs `command` with nothing on its standard input, in the folder and environment of this process. `isWanted` is
  /// asked a few times a second; when it says no, or `limit` is over, the command is ended.
  package static func run(_ command: [String], limit: Duration, isWanted: () -> Bool = { true }) throws(MachineError)
    -> TimedCommand
  {
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard null >= 0 else {
      throw .system(call: "open /dev/null", errno: errno, reason: String(cString: strerror(errno)))
    }
    defer { close(null) }
    let (output, errors) = (try ChildProcess.makePipe(), try ChildProcess.makePipe())
    defer { for end in [output.reading, errors.reading] { close(end) } }
    let started = Result { () throws(MachineError) in
      try ChildProcess.start(
        command, environment: ChildProcess.environment(), input: null, output: output.writing, errors: errors.writing)
    }
    for end in [output.writing, errors.writing] { close(end) }
    let process = try started.get()
    var (text, words): ([UInt8], [UInt8]) = ([], [])
    let deadline = ContinuousClock.now + limit
    var hasEnded = false
    while !hasEnded, ContinuousClock.now < deadline, isWanted() {
      read([output.reading, errors.reading], &text, &words, milliseconds: 50)
      hasEnded = ChildProcess.end(of: process) != nil
    }
    if !hasEnded {
      // A launcher ends its ranks on other hosts when asked politely.
      kill(-process, SIGTERM)
      let grace = ContinuousClock.now + .seconds(3)
      while ChildProcess.end(of: process) == nil, ContinuousClock.now < grace {
        read([output.reading, errors.reading], &text, &words, milliseconds: 20)
      }
    }
    kill(-process, SIGKILL)
    // What was written before the end; whoever left the group may hold the pipes open for longer than anybody waits.
    let last = ContinuousClock.now + .milliseconds(300)
    let ends = [output.reading, errors.reading]
    while ContinuousClock.now < last, read(ends, &text, &words, milliseconds: 20) {}
    // However late this thread came to look: as much as pipes may hold.
    var rounds = 0
    while rounds < 128, hasInput(ends), read(ends, &text, &words, milliseconds: 0) { rounds += 1 }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let end: End = !hasEnded ? .tooLate : status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    return TimedCommand(
      end: end, output: String(decoding: text, as: UTF8.self), errors: String(decoding: words, as: UTF8.self))
  }

  private static func hasInput(_ ends: [Int32]) -> Bool {
    var waits = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    return poll(&waits, nfds_t(waits.count), 0) > 0 && waits.contains { $0.revents & Int16(POLLIN) != 0 }
  }

  /// Takes what has come; false once both ends are closed.
  @discardableResult
  private static func read(_ ends: [Int32], _ text: inout [UInt8], _ words: inout [UInt8], milliseconds: Int32) -> Bool
  {
    var waits = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard poll(&waits, 2, milliseconds) > 0 else { return true }
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    var isOpen = false
    for (index, wait) in waits.enumerated() {
      guard wait.revents & Int16(POLLIN) != 0 else { continue }
      let count = Glibc.read(wait.fd, &chunk, chunk.count)
      guard count > 0 else { continue }
      isOpen = true
      if index == 0, text.count < outputLimit { text += chunk[..<count] }
      if index == 1, words.count < outputLimit { words += chunk[..<count] }
    }
    // Closed ends are ready at once: do not spin while the process still runs.
    if !isOpen { usleep(UInt32(milliseconds) * 1000) }
    return isOpen
  }

  /// The first line that says something, of what it wrote to standard error: what was wrong, before others tell what
  /// came of it.
  package var firstWords: String {
    let lines = errors.split(whereSeparator: \.isNewline).map { $0.trimmed }
    return lines.first { line in line.contains { $0.isLetter } }.map(String.init) ?? "it said nothing"
  }

  /// The last line that says something, of what it wrote to standard error: mpirun frames its messages with dashes.
  package var lastWords: String {
    let lines = errors.split(whereSeparator: \.isNewline).map { $0.trimmed }
    return lines.last { line in line.contains { $0.isLetter } }.map(String.init) ?? "it said nothing"
  }
}
