import OpenAIProtocol
import Serving
import Synchronization

/// The HTTP face of an engine: an OpenAI-compatible server.
package final class Coordinator: Sendable {
  let configuration: CoordinatorConfiguration
  let engine: any TokenEngine
  let text: ServedText
  let admission: Admission
  let metrics = ServerMetrics()
  let pool: WorkPool
  let bodies: BodyBudget
  let identifiers = IdentifierSource.system
  private let hasStarted = Mutex(false)

  /// Reads tokenizer and chat template, which takes up to a few seconds; throws where the model has no usable
  /// tokenizer.
  package init(engine: any TokenEngine, configuration: CoordinatorConfiguration) throws {
    guard let name = configuration.modelNames.first, !name.isEmpty else { throw CoordinatorError.noModelName }
    self.engine = engine
    self.configuration = configuration
    text = try ServedText(codec: configuration.codec, stopTokens: configuration.stopTokens)
    admission = Admission(queue: configuration.limits.queue)
    pool = WorkPool(threadCount: configuration.textThreads)
    bodies = BodyBudget(limit: max(configuration.limits.allBodiesBytes, configuration.limits.bodyBytes))
  }

  /// Takes no more requests; `run` returns when those in progress have ended, or their time is over. From any thread,
  /// any number of times; a signal handler should have another thread call it.
  package func drain() { admission.drain() }

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
