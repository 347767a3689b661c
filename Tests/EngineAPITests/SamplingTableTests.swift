import EngineAPI
import JSON
import Testing

/// Every row of the table of sampling parameters: a new one needs no line here.
@Suite struct SamplingTableTests {
  /// One that is not what a fresh value has.
  private func parameters(_ parameter: SamplingParameter, _ value: Double? = nil) -> SamplingParameters {
    var parameters = SamplingParameters()
    parameter.set(value ?? (parameter.isCount ? 3 : parameter.range.upperBound / 8), in: &parameters)
    return parameters
  }

  @Test func eachSurvivesTheLineProtocol() throws {
    for parameter in SamplingParameter.all {
      let changed = parameters(parameter)
      #expect(changed != SamplingParameters(), "\(parameter.name)")
      var request = TokenRequest(id: RequestID(1), prompt: [1], maxNewTokens: 2)
      request.sampling = changed
      let read = try TokenRequest(json: JSONValue(parsing: request.json.text()))
      #expect(read == request && parameter.value(in: read.sampling) == parameter.value(in: changed))
    }
  }

  @Test func eachIsNeededThere() throws {
    for parameter in SamplingParameter.all {
      var object = try #require(SamplingParameters().json.object)
      object[parameter.name] = nil
      #expect(throws: EngineAPIError.missing(field: "sampling.\(parameter.name)")) {
        try SamplingParameters(json: .object(object))
      }
    }
  }

  @Test func eachIsRefusedOutOfItsRangeByNameAndRange() throws {
    for parameter in SamplingParameter.all {
      for value in [parameter.range.lowerBound - 1, parameter.range.upperBound + 1] {
        let wrong = parameters(parameter, value)
        let error = try #require(throws: SamplingError.self) { try wrong.validate() }
        #expect(error.name == parameter.flag && error.upper == Float(parameter.range.upperBound))
        #expect(throws: EngineAPIError.self) { try SamplingParameters(json: wrong.json) }
      }
    }
  }

  /// But for the temperature, a fresh value is neutral.
  @Test func aNeutralValueChangesNothing() {
    for parameter in SamplingParameter.all where parameter.name != "temperature" {
      #expect(parameters(parameter, parameter.neutral) == SamplingParameters(), "\(parameter.name)")
    }
    #expect(!SamplingParameters().hasPenalties)
    for parameter in SamplingParameter.all where parameter.changesLogits {
      #expect(parameters(parameter).hasPenalties, "\(parameter.name)")
    }
  }

  @Test func whatIsGivenGoesBeforeWhatIsRecommended() {
    let (first, second) = (SamplingParameter.all[0], SamplingParameter.all[1])
    let given = SamplingSettings([(first, 0.5), (second, nil)])
    let all = given.over(SamplingSettings([(first, 0.25), (second, 0.75)]))
    #expect(all[first] == 0.5 && all[second] == 0.75)
    #expect(!given.isEmpty && SamplingSettings().isEmpty && given[second] == nil)
  }
}
