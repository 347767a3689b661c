import Glibc
import Synchronization

/// The two streams of a command: results go to standard output, all else to standard error; nothing is held back.
enum Console {
  /// Where lines for whoever runs the program go instead of to standard error, without `martinet: ` before them.
  static let log = Mutex<(@Sendable (_ line: String, _ isFailure: Bool) -> Void)?>(nil)

  /// Results that cannot be written end the process with status 1: nobody shall take half of them for all.
  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let rest = UnsafeBufferPointer(rebasing: bytes[written...])
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count < 0 {
          if errno == EINTR || errno == EAGAIN { continue }
          guard descriptor == STDOUT_FILENO else { return }
          say("martinet: cannot write to standard output: \(String(cString: strerror(errno)))")
          exit(1)
        }
        written += count
      }
    }
  }
}

/// Writes a line to standard error, or where such lines go. `isFailure`: it says why the program ends.
func say(_ text: String, isFailure: Bool = false) {
  guard let log = Console.log.withLock({ $0 }) else { return Console.write(text + "\n", to: STDERR_FILENO) }
  for line in text.split(separator: "\n") {
    log(String(line.hasPrefix("martinet: ") ? line.dropFirst("martinet: ".count) : line), isFailure)
  }
}

/// Writes to standard output at once.
func show(_ text: String, terminator: String = "\n") { Console.write(text + terminator, to: STDOUT_FILENO) }
