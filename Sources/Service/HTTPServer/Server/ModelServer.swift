import EngineAPI
import Glibc
import OpenAIProtocol
import Synchronization

/// The HTTP face of an engine: an OpenAI-compatible server.
package final class ModelServer: Sendable {
  let configuration: ServerConfiguration
  let engine: any TokenEngine
  let text: ServedText
  let admission: Admission
  let metrics = ServerMetrics()
  let pool: WorkPool
  let bodies: BodyBudget
  let identifiers = IdentifierSource.system
  let secrets: ServerSecrets
  let browsers: BrowserGuard
  let connections: ConnectionCount
  let progress = EngineProgress()
  private let hasStarted = Mutex(false)

  /// Reads tokenizer and chat template, which takes up to a few seconds; throws where the model has no usable
  /// tokenizer.
  package init(engine: any TokenEngine, configuration: ServerConfiguration) throws {
    guard let name = configuration.modelNames.first, !name.isEmpty else { throw ServerError.noModelName }
    self.engine = engine
    self.configuration = configuration
    text = try ServedText(
      codec: configuration.codec, stopTokens: configuration.stopTokens, grammars: configuration.grammars)
    secrets = try ServerSecrets(configuration, metrics: metrics)
    browsers = BrowserGuard(
      host: configuration.host, machine: Self.machineName, allowedHosts: configuration.allowedHosts,
      allowedOrigins: configuration.allowedOrigins, needsKey: configuration.needsKey)
    connections = ConnectionCount(limit: configuration.limits.connections, log: RareLog(configuration.logger))
    admission = Admission(queue: configuration.limits.queue)
    pool = WorkPool(threadCount: configuration.textThreads)
    bodies = BodyBudget(limit: max(configuration.limits.allBodiesBytes, configuration.limits.bodyBytes))
  }

  /// As the system has it; no name service is asked.
  private static var machineName: String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Takes no more requests; `run` returns when those in progress have ended, or their time is over. From any thread,
  /// any number of times; a signal handler should have another thread call it.
  package func drain() { admission.drain() }

  /// Reads API keys, certificate and key again from their files; what is broken there leaves the old ones in force, and
  /// is told. From any thread.
  package func reload() { secrets.reload() }

  /// Has requests in progress end at once, with an error.
  package func stopNow() {
    admission.drain()
    admission.endAll()
  }

  /// Most tokens of prompt and reply together; nil before the model is known.
  var contextLength: Int? {
    engine.facts.map { min($0.maximumPositions, $0.cacheTokens > 0 ? $0.cacheTokens : $0.maximumPositions) }
  }
}
