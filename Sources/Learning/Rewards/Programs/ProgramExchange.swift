import Glibc

/// One batch's words with a program: lines are written and replies read at the same time, so that neither side waits
/// for the other, whatever a pipe holds.
struct ProgramExchange {
  private let process: ProgramProcess
  private let input: [UInt8]
  private let limit: Duration
  private(set) var replies: ProgramReplies
  private var writtenCount = 0
  private var chunk = [UInt8](repeating: 0, count: 1 << 16)

  /// How long a program that has closed a stream may take to end, so that its status can be told.
  private static let lastWords = Duration.seconds(5)

  init(_ process: ProgramProcess, input: [UInt8], count: Int, limit: Duration) {
    (self.process, self.input, self.limit) = (process, input, limit)
    replies = ProgramReplies(count: count)
  }

  /// The replies, in the order of the batch. `isFirst`: the program was started for it.
  mutating func run(isFirst: Bool) throws(ProgramFault) -> [ProgramReplies.Reply] {
    let deadline = ContinuousClock.now + limit
    process.errors.refill()
    if !isFirst { try hearNothing() }
    while true {
      if writtenCount == input.count, let all = replies.all {
        guard !replies.hasBegunLine else { throw .spokeUnasked("a line that it has not ended") }
        return all
      }
      let left = deadline - ContinuousClock.now
      guard left > .zero else {
        let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) * 1e-18
        throw .late(seconds: seconds, hasBegunLine: replies.hasBegunLine, hasUnread: writtenCount < input.count)
      }
      // Whatever holds the pipes open, the program's end is seen soon.
      let pause = min(left, .milliseconds(100)) / .milliseconds(1)
      let writes = writtenCount < input.count
      var waits = [
        pollfd(fd: process.output, events: Int16(POLLIN), revents: 0),
        pollfd(fd: writes ? process.input : -1, events: Int16(POLLOUT), revents: 0),
      ]
      let ready = poll(&waits, 2, Int32(pause) + 1)
      guard ready >= 0 || errno == EINTR else { throw .system(call: "poll", reason: String(cString: strerror(errno))) }
      guard ready > 0 else {
        if let end = process.ended { try endEarly(ProgramFault(end)) }
        continue
      }
      if waits[0].revents != 0 { try read() }
      if waits[1].revents != 0 { try write() }
    }
  }

  /// Throws where something was printed since the last batch.
  private mutating func hearNothing() throws(ProgramFault) {
    let count = Glibc.read(process.output, &chunk, chunk.count)
    guard count > 0 else { return }
    throw .spokeUnasked(chunk[..<count].shown)
  }

  private mutating func read() throws(ProgramFault) {
    let count = Glibc.read(process.output, &chunk, chunk.count)
    if count > 0 { return try replies.take(chunk[..<count]) }
    if count < 0 {
      guard errno != EAGAIN, errno != EINTR else { return }
      throw .system(call: "read", reason: String(cString: strerror(errno)))
    }
    process.wait(atMost: Self.lastWords)
    try endEarly(process.ended.map { ProgramFault($0) } ?? .closedOutput)
  }

  /// Throws, but where it ended after it had answered everything. What it had printed before counts.
  private mutating func endEarly(_ fault: ProgramFault) throws(ProgramFault) {
    while true {
      let count = Glibc.read(process.output, &chunk, chunk.count)
      guard count > 0 else { break }
      try replies.take(chunk[..<count])
    }
    try replies.finish()
    guard fault == .exited(0), writtenCount == input.count, replies.isComplete else { throw fault }
  }

  private mutating func write() throws(ProgramFault) {
    let (count, error) = input.withUnsafeBytes { bytes in
      let rest = UnsafeRawBufferPointer(rebasing: bytes[writtenCount...])
      return Self.withoutPipeSignal {
        let count = Glibc.write(process.input, rest.baseAddress, rest.count)
        return (count, errno)
      }
    }
    if count >= 0 {
      writtenCount += count
      return
    }
    guard error != EAGAIN, error != EINTR else { return }
    guard error == EPIPE else { throw .system(call: "write", reason: String(cString: strerror(error))) }
    process.wait(atMost: Self.lastWords)
    try endEarly(process.ended.map { ProgramFault($0) } ?? .closedInput)
  }

  /// Keeps the signal that a write to a closed pipe raises from this process.
  private static func withoutPipeSignal(_ body: () -> (Int, Int32)) -> (Int, Int32) {
    var (pipe, before, pending) = (sigset_t(), sigset_t(), sigset_t())
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    sigpending(&pending)
    let wasPending = sigismember(&pending, SIGPIPE) == 1
    pthread_sigmask(SIG_BLOCK, &pipe, &before)
    let result = body()
    if result.0 < 0, result.1 == EPIPE, !wasPending {
      var none = timespec()
      while sigtimedwait(&pipe, nil, &none) < 0, errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    return result
  }
}
