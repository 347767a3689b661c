import Glibc

/// The two streams of a command: results go to standard output, all else to standard error; nothing is held back.
enum Console {
  /// Results that cannot be written end the process with status 1: nobody shall take half of them for all.
  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var written = 0
      while written < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
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

/// Writes a line to standard error.
func say(_ text: String) { Console.write(text + "\n", to: STDERR_FILENO) }

/// Writes to standard output at once.
func show(_ text: String, terminator: String = "\n") { Console.write(text + terminator, to: STDOUT_FILENO) }
