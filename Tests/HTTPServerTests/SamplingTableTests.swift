import EngineAPI
import HTTPConnection
import JSON
import OpenAIProtocol
import Testing

@testable import HTTPServer

/// Every row of the table of sampling parameters, at every endpoint: a new one needs no line here.
@Suite struct SamplingTableTests {
  private static let endpoints: [(path: String, body: JSONValue)] = [
    ("/v1/chat/completions", ["messages": [["role": "user", "content": "a"]]]),
    ("/v1/completions", ["prompt": "a"]), ("/v1/responses", ["input": "a"]),
    ("/v1/messages", ["max_tokens": 3, "messages": [["role": "user", "content": "a"]]]),
  ]

  private static func body(_ endpoint: JSONValue, _ name: String?, _ value: JSONValue = .null) -> JSONValue {
    var object = endpoint.object ?? JSONObject()
    object["seed"] = 7
    if let name { object[name] = value }
    return .object(object)
  }

  /// Neither the neutral value nor a bound.
  private static func inside(_ parameter: SamplingParameter) -> Double {
    let range = parameter.range.clamped(to: parameter.asked.range)
    return parameter.isCount ? 3 : range.lowerBound + (range.upperBound - range.lowerBound) / 8
  }

  private static func json(_ parameter: SamplingParameter, _ value: Double) -> JSONValue {
    parameter.isCount ? .int(Int(value)) : .double(value)
  }

  @Test func namesAreKeysOfTheirOwn() {
    let names = SamplingParameter.all.map(\.name)
    #expect(Set(names).count == names.count)
    for parameter in SamplingParameter.all {
      #expect(parameter.name.utf8.allSatisfy { $0 == 95 || (97...122).contains($0) }, "\(parameter.name)")
      #expect(parameter.range.contains(parameter.neutral) && parameter.asked.range.contains(parameter.neutral))
      #expect(Self.inside(parameter) != parameter.neutral)
    }
  }

  @Test func aParameterIsAcceptedUnderItsNameAndReachesTheEngine() async throws {
    let engine = TestModel.plain.engine(answering: " x")
    try await TestServer.run(engine) { server in
      for (path, endpoint) in Self.endpoints {
        for parameter in SamplingParameter.all {
          let value = Self.inside(parameter)
          let reply = try await server.post(path, Self.body(endpoint, parameter.name, Self.json(parameter, value)))
          #expect(reply.status == 200, "\(path) \(parameter.name)")
          let used = try #require(engine.submitted.last?.sampling)
          var expected = SamplingParameters()
          for other in SamplingParameter.all { other.set(other.neutral, in: &expected) }
          parameter.set(value, in: &expected)
          expected.seed = 7
          #expect(used == expected, "\(path) \(parameter.name)")
        }
      }
    }
  }

  @Test func aNeutralValueChangesNothing() async throws {
    let engine = TestModel.plain.engine(answering: " x")
    try await TestServer.run(engine) { server in
      for (path, endpoint) in Self.endpoints {
        _ = try await server.post(path, Self.body(endpoint, nil))
        let without = try #require(engine.submitted.last)
        for parameter in SamplingParameter.all {
          _ = try await server.post(
            path, Self.body(endpoint, parameter.name, Self.json(parameter, parameter.neutral)))
          let with = try #require(engine.submitted.last)
          #expect(with.sampling == without.sampling, "\(path) \(parameter.name)")
        }
      }
    }
  }

  @Test func aValueOutOfRangeIsRefusedByNameAndRange() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: " x")) { server in
      for (path, endpoint) in Self.endpoints {
        for parameter in SamplingParameter.all {
          var beyond = [parameter.asked.range.lowerBound - 1]
          if parameter.asked.range.upperBound.isFinite { beyond.append(parameter.asked.range.upperBound + 1) }
          if parameter.asked.excludesLower { beyond.append(parameter.asked.range.lowerBound) }
          for value in beyond {
            let reply = try await server.post(path, Self.body(endpoint, parameter.name, Self.json(parameter, value)))
            #expect(reply.status == 400, "\(path) \(parameter.name) \(value)")
            let message = reply.json["error"]?["message"]?.string ?? ""
            let bound = parameter.text(parameter.asked.range.lowerBound)
            #expect(message.hasPrefix("'\(parameter.name)' must be") && message.contains(bound), "\(path): \(message)")
            if path != "/v1/messages" { #expect(reply.json["error"]?["param"]?.string == parameter.name) }
          }
        }
      }
    }
  }

  @Test func theModelTellsWhatHoldsWhereARequestSaysNothing() async throws {
    let settings = SamplingSettings(SamplingParameter.all.map { ($0, Self.inside($0)) })
    let sampling = SamplingOptions(settings)
    let engine = TestModel.plain.engine(answering: " x")
    try await TestServer.run(engine, configure: { $0.sampling = sampling }) { server in
      let told = try await server.get("/v1/models/demo").json["default_sampling"]?.object
      #expect(told?.keys == SamplingParameter.all.map(\.name))
      for (path, endpoint) in Self.endpoints {
        _ = try await server.post(path, endpoint)
        var used = try #require(engine.submitted.last?.sampling)
        var expected = SamplingParameters()
        settings.apply(to: &expected)
        (used.seed, expected.seed) = (0, 0)
        #expect(used == expected, "\(path)")
      }
      for parameter in SamplingParameter.all {
        #expect(told?[parameter.name] == Self.json(parameter, Self.inside(parameter)))
      }
    }
  }
}
