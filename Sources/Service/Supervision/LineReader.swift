import Glibc

/// Reads lines from a descriptor, each of bounded length.
struct LineReader {
  enum Next {
    case line(String)
    /// The other end has closed.
    case end
    /// Nothing more is there, and the reader was told to give up.
    case abandoned
    case failed(SupervisionError)
  }

  /// More than twice the largest body of a request, whose text takes at most twice as much in a line, and the scores of
  /// the longest prompt that the server takes.
  static let lineLimit = 64 << 20
  private static let chunk = 1 << 16

  private let descriptor: Int32
  private let limit: Int
  private var pending: [UInt8] = []
  /// Where the next line starts, and how far it was searched for its end.
  private var start = 0
  private var searched = 0

  init(_ descriptor: Int32, limit: Int = lineLimit) { (self.descriptor, self.limit) = (descriptor, limit) }

  /// Waits for the next line; `isAbandoned` is asked while nothing comes. A last line without its end is lost.
  mutating func next(isAbandoned: () -> Bool) -> Next {
    while true {
      if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: pending[start..<end], as: UTF8.self)
        (start, searched) = (end + 1, end + 1)
        return .line(line)
      }
      searched = pending.count
      guard searched - start <= limit else { return .failed(.lineTooLong(limit: limit)) }
      if start > 0 {
        pending.removeFirst(start)
        (start, searched) = (0, pending.count)
      }
      var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = poll(&waited, 1, isAbandoned() ? 0 : 100)
      if ready == 0 {
        if isAbandoned() { return .abandoned }
        continue
      }
      let count = pending.count
      pending.append(contentsOf: repeatElement(0, count: Self.chunk))
      let got = pending.withUnsafeMutableBytes {
        let rest = UnsafeMutableRawBufferPointer(rebasing: $0[count...])
        return read(descriptor, rest.baseAddress, rest.count)
      }
      let error = errno
      pending.removeLast(Self.chunk - max(0, got))
      if got == 0 { return .end }
      // A terminal whose other side has closed, as mpirun uses, gives EIO.
      if got < 0, error != EINTR, error != EAGAIN { return .end }
    }
  }
}
