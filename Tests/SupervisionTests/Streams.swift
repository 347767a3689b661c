import EngineAPI
import Foundation
import Supervision
import SupervisionScenarios

/// What became of requests, as their clients see it.
final class Streams: @unchecked Sendable {
  struct Stream {
    var tokens: [Int32] = []
    var finish: FinishReason?
    var failure: String?
    /// Events after the last one.
    var excess = 0
    var hasEnded: Bool { finish != nil || failure != nil }
  }

  private let lock = NSCondition()
  private var streams: [RequestID: Stream] = [:]

  func submit(_ request: TokenRequest, to engine: any TokenEngine) {
    lock.withLock { streams[request.id] = Stream(tokens: request.sampled) }
    engine.submit(request) { self.note($0) }
  }

  private func note(_ event: TokenEvent) {
    lock.lock()
    defer {
      lock.broadcast()
      lock.unlock()
    }
    guard var stream = streams[event.id] else { return }
    if stream.hasEnded { stream.excess += 1 }
    switch event {
    case .started, .embedding: break
    case .prompt(_, _, let finish): stream.finish = finish ?? stream.finish
    case .token(_, let sampled, let finish):
      stream.tokens.append(sampled.token)
      stream.finish = finish ?? stream.finish
    case .failed(_, let message): stream.failure = message
    }
    streams[event.id] = stream
  }

  subscript(_ request: TokenRequest) -> Stream { lock.withLock { streams[request.id] ?? Stream() } }

  /// Whether a condition on all streams was met within `seconds`.
  func wait(_ seconds: Double = 600, until isMet: ([Stream]) -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    lock.lock()
    defer { lock.unlock() }
    while !isMet(Array(streams.values)) {
      guard lock.wait(until: end) else { return isMet(Array(streams.values)) }
    }
    return true
  }

  func waitForAll() -> Bool { wait { $0.allSatisfy(\.hasEnded) } }
}

/// A job of the scenarios, as a command.
enum Job {
  static let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("SupervisionScenarios").path

  static func options(_ arguments: String..., log: Log = Log()) -> SupervisionOptions {
    var options = SupervisionOptions(command: [program] + arguments)
    options.killGrace = .seconds(1)
    // A job may end before a token of it has come, however often where its threads are held up.
    options.blameLimit = 100
    options.log = { log.add($0) }
    return options
  }

  /// Jobs that a process has started and that run.
  static func processes(of parent: pid_t) -> [pid_t] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }.filter { process in
      guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")")
      else { return false }
      let fields = stat[end...].split(separator: " ")
      return stat.contains("(SupervisionSce") && fields.count > 2 && fields[1] != "Z" && fields[2] == "\(parent)"
    }
  }

  static func request(_ number: Int, tokens: Int = 40, prompt: [Int32]? = nil) -> TokenRequest {
    TokenRequest(id: RequestID(number), prompt: prompt ?? [Int32(number), 3], maxNewTokens: tokens)
  }
}

/// Lines a supervisor printed.
final class Log: @unchecked Sendable {
  private let lock = NSLock()
  private var lines: [String] = []
  func add(_ line: String) { lock.withLock { lines.append(line) } }
  var text: String { lock.withLock { lines.joined(separator: "\n") } }
}
