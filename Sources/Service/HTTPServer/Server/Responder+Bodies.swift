import EngineAPI
import Hummingbird
import JSON
import NIOCore
import NIOHTTP1
import OpenAIProtocol

/// The client has gone, or was cut off: there is nobody to answer.
struct ClientGone: Error {}

/// What all routes that take a body begin with.
extension Responder {
  /// What `read` makes of the body, on a thread of the pool. Throws a refusal for one that is too large, too slow, or
  /// malformed, or for which there is no room now.
  func body<Body: Sendable>(
    of request: Request, _ read: @escaping @Sendable (JSONValue, RequestLimits) throws -> Body
  ) async throws -> Body {
    let limit = server.configuration.limits.bodyBytes
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw APIError.bodyTooLarge(limit: limit)
    }
    let budget = server.bodies
    var collected = ByteBuffer()
    defer { budget.giveBack(collected.readableBytes) }
    do {
      // Room is taken as bytes come: a client that announces many and sends few takes none from the others.
      for try await part in request.body {
        guard part.readableBytes <= limit - collected.readableBytes else { throw APIError.bodyTooLarge(limit: limit) }
        try budget.take(part.readableBytes)
        collected.writeImmutableBuffer(part)
      }
    } catch let error as APIError {
      throw error
    } catch is ReadTimeout {
      throw APIError.timeout(seconds: Int(server.configuration.limits.readTime.components.seconds))
    } catch HTTPParserError.invalidEOFState {
      throw ClientGone()
    } catch is HTTPParserError {
      throw APIError.invalidRequest("the body is not as HTTP wants it: its chunks are malformed", code: "invalid_body")
    } catch { throw ClientGone() }
    let bytes = collected
    let limits = requestLimits
    return try await server.pool.run {
      try read(JSONValue(requestBody: bytes.readableBytesView, limits: limits), limits)
    }
  }

  var requestLimits: RequestLimits {
    var limits = RequestLimits()
    limits.byteCount = server.configuration.limits.bodyBytes
    limits.vocabularySize = server.engine.facts?.vocabularySize
    return limits
  }

  func checkModel(_ name: String?) throws(APIError) {
    let names = server.configuration.modelNames
    RequestRecord.current?.note { $0.model = name.map { String($0.prefix(256)) } ?? names.first }
    guard let name, !names.contains(name) else { return }
    throw .unknownModel(name, served: names)
  }

  /// What the engine serves. Throws a refusal while it cannot be given anything.
  func servingFacts() throws(APIError) -> EngineFacts {
    switch server.engine.state {
    case .ready: break
    case .restarting(let reason, _):
      if let began = server.engine.outageBegan, .now - began > server.configuration.limits.holdTime {
        throw .restarting(reason, seconds: Int((.now - began).components.seconds), retryAfter: 10)
      }
    case .loading: throw .loading(retryAfter: 5)
    case .failed(let reason):
      throw APIError(
        status: 503, type: "server_error", code: "engine_failed", message: "the model is not being served: \(reason)")
    case .stopped: throw .stopping
    }
    guard let facts = server.engine.facts else { throw .loading(retryAfter: 5) }
    return facts
  }
}
