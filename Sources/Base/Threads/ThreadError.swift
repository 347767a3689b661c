internal import Glibc

/// The system has no thread for us: too many, or no memory for its stack.
package struct ThreadError: Error, Equatable, CustomStringConvertible {
  /// The thread's name.
  package let name: String
  /// The system's number of the error.
  package let code: Int32

  package var reason: String { String(cString: strerror(code)) }

  package var description: String { "the thread \"\(name)\" cannot be started: \(reason)" }

  static func check(_ code: Int32, _ name: String) throws(ThreadError) {
    guard code == 0 else { throw ThreadError(name: name, code: code) }
  }
}
