import Hummingbird
import NIOCore
import OpenAIProtocol

/// Turns what is thrown into answers, in the form of the API that the path belongs to.
struct ErrorMiddleware: RouterMiddleware {
  let server: ModelServer

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    let record = RequestRecord.current
    do {
      return try await next(request, context)
    } catch let error as APIError {
      let reason = error.code ?? error.type
      server.metrics.count { $0.refusals[reason, default: 0] += 1 }
      record?.note { $0.error = $0.error ?? error.message }
      return .error(error, path: request.uri.path, requestID: record?.current.id ?? "")
    } catch is ClientGone, is ChannelPipelineError {
      // A closed connection has no handlers any more. Nobody reads this; the connection ends with it.
      record?.noteEnd(.clientLeft)
      return Response(status: .init(code: 499))
    } catch {
      record?.noteEnd(.failed, error: "\(error)")
      return .error(.internalFailure(), path: request.uri.path, requestID: record?.current.id ?? "")
    }
  }
}

extension Response {
  static func error(_ error: APIError, path: String, requestID: String) -> Response {
    let body = Route.isOfMessages(path) ? error.messagesJSON(requestID: requestID) : error.json
    var response = json(body, status: .init(code: error.status))
    response.headers[.retryAfter] = error.retryAfter.map { String($0) }
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if error.status == 405 { response.headers[.allow] = Route.find(path)?.route.methods.joined(separator: ", ") }
    return response
  }
}
