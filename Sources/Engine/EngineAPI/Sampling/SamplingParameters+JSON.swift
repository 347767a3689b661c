import JSON

extension SamplingParameters {
  package var json: JSONValue {
    var object = JSONObject()
    for parameter in SamplingParameter.all {
      switch parameter.place {
      case .number(let path): object[parameter.name] = .exactFloat(self[keyPath: path])
      case .count(let path): object[parameter.name] = .int(self[keyPath: path])
      }
    }
    object["seed"] = .number(JSONNumber(text: String(seed)))
    return .object(object)
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, path: "sampling")
    self.init()
    for parameter in SamplingParameter.all {
      switch parameter.place {
      case .number(let path): self[keyPath: path] = try fields.float(needed: parameter.name)
      case .count(let path):
        self[keyPath: path] = try fields.integer(
          needed: parameter.name, in: Int(parameter.range.lowerBound)...Int(parameter.range.upperBound))
      }
    }
    seed = try fields.unsigned(needed: "seed")
    do throws(SamplingError) { try validate() } catch { throw .sampling(error) }
  }
}
