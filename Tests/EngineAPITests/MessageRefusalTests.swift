import EngineAPI
import JSON
import Testing

@Suite struct MessageRefusalTests {
  private func request(_ key: String, _ value: JSONValue?) throws -> JSONValue {
    var object = try #require(TokenRequest(id: RequestID(1), prompt: [1], maxNewTokens: 2).json.object)
    object[key] = value
    return .object(object)
  }

  @Test func everyFieldOfARequestButOptionalOnesIsNeeded() throws {
    for key in ["id", "prompt", "sampled", "max_new_tokens", "sampling", "stop_tokens", "logit_bias"] {
      #expect(throws: EngineAPIError.missing(field: key)) { try TokenRequest(json: request(key, nil)) }
    }
  }

  @Test func wordsNameTheFieldAndItsValue() throws {
    #expect(
      throws: EngineAPIError.outOfRange(field: "prompt[1]", value: "-1", range: "an integer from 0 to 2147483647")
    ) { try TokenRequest(json: request("prompt", [1, -1])) }
    #expect(throws: EngineAPIError.wrongKind(field: "prompt", found: "null", expected: "an array")) {
      try TokenRequest(json: request("prompt", .null))
    }
    #expect(throws: EngineAPIError.missing(field: "ranks[0].host")) {
      var status = ClusterStatus()
      status.ranks = [ClusterStatus.RankStatus()]
      let text = status.json.text().replacing("\"host\":\"\",", with: "")
      _ = try ClusterStatus(json: JSONValue(parsing: text))
    }
    #expect(throws: EngineAPIError.unknownName(field: "finish", name: "end", known: ["stop", "length"])) {
      try TokenEvent(json: ["event": "token", "id": 1, "token": 1, "finish": "end"])
    }
  }

  @Test func moreTokensSampledThanAskedForAreRefused() throws {
    #expect(throws: EngineAPIError.self) { try TokenRequest(json: request("sampled", [1, 2, 3])) }
    #expect(try TokenRequest(json: request("sampled", [1, 2])).sampled == [1, 2])
  }

  @Test func aTokenHasOneBiasInOneSpelling() throws {
    for key in ["01", "+1", "-1", "", "1.0", "2147483648"] {
      #expect(throws: EngineAPIError.self) { try TokenRequest(json: request("logit_bias", [key: 1])) }
    }
    #expect(throws: EngineAPIError.self) { try TokenRequest(json: request("logit_bias", ["1": "inf"])) }
    #expect(throws: EngineAPIError.self) { try TokenRequest(json: request("logit_bias", ["1": .double(1e39)])) }
  }

  @Test func samplingParametersKeepToTheirRanges() throws {
    for (key, value) in [("temperature", -1), ("top_p", 2), ("min_p", -1), ("top_k", -1), ("seed", -1)] {
      var sampling = try #require(SamplingParameters().json.object)
      sampling[key] = .int(value)
      #expect(throws: EngineAPIError.self) { try TokenRequest(json: request("sampling", .object(sampling))) }
    }
  }

  @Test func acceptedDraftsOfOtherPlacesThanDraftedAreRefused() throws {
    var status = ClusterStatus()
    (status.drafted, status.accepted) = ([3], [2, 1])
    #expect(throws: EngineAPIError.self) { try ClusterStatus(json: status.json) }
  }

  @Test func visitsOfOtherLayersThanNamedAreRefused() throws {
    var status = ClusterStatus()
    status.visits = [[1]]
    #expect(throws: EngineAPIError.self) { try ClusterStatus(json: status.json) }
  }
}
