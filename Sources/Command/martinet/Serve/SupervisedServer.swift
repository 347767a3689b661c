import ArgumentParser
import Dispatch
import EngineAPI
import Glibc
import HTTPServer
import Machine
import Supervision

/// A server whose ranks are a job of their own: this process has the port, the texts and the requests, and no part in
/// MPI.
struct SupervisedServer {
  private let command: Serve

  init(_ command: Serve) { self.command = command }

  /// Serves until it is told to stop; the job has ended then.
  func run() throws {
    command.server.takeOverLines()
    FileLimit.raiseForServer()
    do {
      let processFile = try command.pidFile.map { try ProcessFile($0) }
      defer { withExtendedLifetime(processFile) {} }
      var configuration = try command.server.configuration(folder: try command.model.folder())
      configuration.limits.holdTime = .seconds(command.holdSeconds)
      var options = SupervisionOptions(command: jobCommand)
      options.restartLimit = command.maxRestarts
      options.restartTime = .seconds(command.restartFor)
      options.log = { say($0) }
      // Without a limit, one that nothing reaches.
      options.startLimit = .seconds(command.startLimit > 0 ? command.startLimit : 1 << 30)
      options.stallLimit = command.model.stallLimit > 0 ? .seconds(command.model.stallLimit) : .seconds(1 << 30)
      let engine = try SupervisedEngine(options)
      let ended = DispatchSemaphore(value: 0)
      let httpServer: RunningServer
      do {
        httpServer = try RunningServer(engine: engine, configuration: configuration) { ended.signal() }
      } catch {
        engine.terminate()
        wait(for: engine)
        throw error
      }
      let signals = watchSignals(httpServer, engine)
      defer { for signal in signals { signal.cancel() } }
      say(command.server.announcement(configuration, port: httpServer.port))
      say("martinet: the ranks: \(jobCommand.joined(separator: " "))")
      ended.wait()
      engine.stop()
      wait(for: engine)
      try httpServer.wait()
    } catch {
      say("martinet: \(error)", isFailure: true)
      throw ExitCode(1)
    }
  }

  private func wait(for engine: SupervisedEngine) {
    while true {
      switch engine.state {
      case .stopped, .failed: return
      case .loading, .ready, .restarting: usleep(20_000)
      }
    }
  }

  /// The first SIGINT, SIGTERM or SIGUSR1 drains; a second SIGINT ends at once.
  private func watchSignals(_ httpServer: RunningServer, _ engine: SupervisedEngine) -> [any DispatchSourceSignal] {
    let queue = DispatchQueue(label: "signals")
    let interrupts = InterruptCount()
    return [command.server.watchHangups { httpServer.reload() }].compactMap { $0 }
      + [SIGINT, SIGTERM, SIGUSR1].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        source.setEventHandler {
          if number == SIGINT, interrupts.next() > 1 {
            engine.terminate()
            wait(for: engine)
            exit(130)
          }
          httpServer.drain()
        }
        source.resume()
        return source
      }
  }

  /// What starts the job: a launcher, and this program with the same model.
  private var jobCommand: [String] {
    var launcher = command.launcher
    if let first = launcher.first, first.hasPrefix("-") { launcher.insert("mpirun", at: 0) }
    return launcher + [program, "serve", "--engine-link"] + command.model.arguments
      + command.speculation.arguments + command.reports.arguments + command.rebalancing.arguments
      + command.keeping.arguments
  }

  /// This program's file, which every host has at the same path.
  private var program: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard length > 0 else { return CommandLine.arguments[0] }
    return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
