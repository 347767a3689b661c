import EngineAPI
import Foundation
import Hummingbird
import JSON
import OpenAIProtocol

/// The routes that tell how the server is.
extension Responder {
  func page() -> Response {
    var response = Response.text(ChatPage.html, type: "text/html; charset=utf-8")
    response.headers[.contentSecurityPolicy] = ChatPage.contentSecurityPolicy
    response.headers[.cacheControl] = "no-cache"
    response.headers[.xContentTypeOptions] = "nosniff"
    return response
  }

  /// Whether the process lives: 503 only when the engine will not come back by itself.
  func health() -> Response {
    let condition = EngineCondition(server)
    return .json(.object(condition.details), status: condition.isLost ? .serviceUnavailable : .ok)
  }

  /// Whether requests would be served now.
  func ready() -> Response {
    let condition = EngineCondition(server)
    var body = JSONObject([("ready", .bool(condition.isReady))])
    for member in condition.details.members { body[member.key] = member.value }
    var response = Response.json(.object(body), status: condition.isReady ? .ok : .serviceUnavailable)
    if !condition.isReady { response.headers[.retryAfter] = "5" }
    return response
  }

  func metrics() -> Response {
    .text(
      MetricsPage(server).text,
      type: "text/plain; version=0.0.4; charset=utf-8")
  }

  func cluster() -> Response {
    let engine = server.engine
    return .json(["state": engine.state.json, "facts": engine.facts?.json ?? .null, "status": engine.status.json])
  }

  /// Has experts change places by their recorded load, and answers before they have: `/cluster` tells how it goes.
  func rebalance() throws -> Response {
    let engine = server.engine
    guard engine.state == .ready, let facts = engine.facts else { throw APIError.loading(retryAfter: 5) }
    guard facts.movesExperts else { throw APIError.expertsStay(ranks: facts.rankCount, experts: facts.expertCount) }
    engine.rebalance()
    return .json(["accepted": true, "status": "/cluster"], status: .accepted)
  }

  func models(_ name: String?) throws -> Response {
    let configuration = server.configuration
    let createdAt = Date(timeIntervalSince1970: Double(configuration.created)).ISO8601Format()
    let models = configuration.modelNames.map { name in
      var model = ServedModel(id: name, created: configuration.created, contextLength: server.contextLength ?? 0)
      (model.createdAt, model.sampling) = (createdAt, configuration.sampling)
      return model
    }
    guard let name else { return .json(models.listJSON) }
    let decoded = name.removingPercentEncoding ?? name
    guard let model = models.first(where: { $0.id == decoded }) else {
      throw APIError.unknownModel(decoded, served: configuration.modelNames)
    }
    return .json(model.json)
  }
}
