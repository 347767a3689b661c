import HTTPTypes
import Hummingbird
import NIOCore

/// What is told of requests.
extension Responder {
  func record(of request: Request, route: Route?, _ context: Context) -> RequestRecord {
    var facts = RequestRecord.Facts()
    facts.id = RequestRecord.saneID(request.headers[.requestID]) ?? server.identifiers.request()
    let forwarded = server.configuration.trustsForwardedFor ? request.headers[.forwardedFor] : nil
    facts.client = RequestRecord.forwardedClient(forwarded) ?? context.channel.remoteAddress?.ipAddress ?? "unknown"
    (facts.method, facts.route) = (request.method.rawValue, route)
    facts.path = String(request.uri.path.prefix(256))
    let configuration = server.configuration
    return RequestRecord(
      facts, logger: configuration.logsRequests ? configuration.logger : nil, metrics: server.metrics)
  }

  /// The response with the request's id; the request ends with it: at once, or with the last of a stream.
  func tell(_ record: RequestRecord, _ response: Response) -> Response {
    var response = response
    let status = response.status.code
    record.note { $0.status = status }
    // The OpenAI API's name, and Anthropic's.
    for name in [.requestID, .anthropicRequestID] as [HTTPField.Name] { response.headers[name] = record.current.id }
    guard response.body.contentLength == nil else {
      record.close()
      return response
    }
    let body = response.body
    response.body = ResponseBody { writer in
      do { try await body.write(writer) } catch {
        record.close(.clientLeft)
        throw error
      }
      record.close()
    }
    return response
  }
}

extension HTTPField.Name {
  static let requestID = HTTPField.Name("x-request-id")!
  fileprivate static let anthropicRequestID = HTTPField.Name("request-id")!
  fileprivate static let forwardedFor = HTTPField.Name("x-forwarded-for")!
}
