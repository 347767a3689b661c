import ArgumentParser
import Dispatch
import Fabric
import Glibc
import HTTPServer
import Logging
import Machine
import Synchronization

/// Levels of the log, as an option names them.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case debug, info, notice, warning, error

  var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}

extension LogFormat: ExpressibleByArgument {}

extension ServerOptions {
  var logger: Logger {
    let (format, level) = (logFormat, logLevel.level)
    return Logger(label: "martinet") { _ in
      ServerLogHandler(format, level: level) { Console.write($0 + "\n", to: STDERR_FILENO) }
    }
  }

  /// Has all lines of this process go to the log from now on.
  func takeOverLines() {
    let logger = logger
    Console.log.withLock { log in
      log = { line, isFailure in logger.log(level: isFailure ? .error : .notice, "\(line)") }
    }
    ErrorLines.send { say($0) }
  }

  /// Calls `reload` at each SIGHUP, where there is something to be read again; where not, the signal ends the process
  /// as it always does. nil where nothing is watched.
  func watchHangups(_ reload: @escaping @Sendable () -> Void) -> (any DispatchSourceSignal)? {
    guard apiKeyFile != nil || tlsCertificate != nil else { return nil }
    signal(SIGHUP, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "hangups"))
    source.setEventHandler(handler: reload)
    source.resume()
    return source
  }
}

extension FileLimit {
  /// Raises the limit; where that is not possible, the server runs with what it has.
  static func raiseForServer() {
    do { try raise() } catch { say("martinet: the limit of open files stays as it is: \(error)") }
  }
}
