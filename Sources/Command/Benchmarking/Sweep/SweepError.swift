/// Why a sweep cannot go on.
package enum SweepError: Error, CustomStringConvertible {
  case otherSettings(folder: String)
  case launch(String)
  case make(model: String, log: String)
  case file(path: String, reason: String)

  package var description: String {
    switch self {
    case .otherSettings(let folder): "\(folder) holds a sweep with other settings; name another folder, or remove it"
    case .launch(let reason): "mpirun cannot be started: \(reason); it must be in a folder of PATH"
    case .make(let model, let log): "the model \(model) could not be made; see \(log)"
    case .file(let path, let reason): "cannot write \(path): \(reason)"
    }
  }
}
