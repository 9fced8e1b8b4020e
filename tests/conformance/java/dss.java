import eu.europa.esig.dss.enumerations.Indication;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.revocation.ocsp.ExternalResourcesOCSPSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;

/**
 * Holds sealed documents against DSS, the validator of the European Commission, offline.
 *
 * Each line of the standard input is a path, the path of the document beside it or nothing, a folder with what is known
 * (*.pem: roots, *.crl: lists, *.ocsp: answers) and an instant, parted by tabs. Each is answered by one line
 * "#verdict", the indication, the sub-indication and the level, after a line "#finding" for each complaint.
 */
public final class Dss {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] asked = line.split("\t", -1);
            try {
                answer(out, asked[0], asked[1], new File(asked[2]), Date.from(Instant.parse(asked[3])));
            } catch (Exception | LinkageError | StackOverflowError failed) {
                out.println("#finding\t" + oneLine(failed.toString()));
                out.println("#verdict\tUNREADABLE\t\t");
            }
        }
    }

    private static void answer(PrintStream out, String path, String beside, File known, Date at) throws Exception {
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(path));
        validator.setCertificateVerifier(verifier(known));
        validator.setValidationTime(at);
        if (!beside.isEmpty()) {
            validator.setDetachedContents(List.<DSSDocument>of(new FileDocument(beside)));
        }
        Reports reports = validator.validateDocument();
        SimpleReport report = reports.getSimpleReport();
        List<String> seals = report.getSignatureIdList();
        if (seals.isEmpty()) {
            out.println("#verdict\tNO_SEAL\t\t");
            return;
        }
        String worst = "TOTAL_PASSED";
        String sub = "";
        String level = "";
        for (String seal : seals) {
            report.getAdESValidationErrors(seal).forEach(one -> out.println("#finding\t" + oneLine(one.getValue())));
            Indication told = report.getIndication(seal);
            level = String.valueOf(report.getSignatureFormat(seal));
            if (told != Indication.TOTAL_PASSED && !worst.equals("TOTAL_FAILED")) {
                worst = told.name();
                sub = String.valueOf(report.getSubIndication(seal));
            }
        }
        out.println(String.join("\t", "#verdict", worst, sub, level));
    }

    private static CommonCertificateVerifier verifier(File known) throws Exception {
        CommonTrustedCertificateSource roots = new CommonTrustedCertificateSource();
        List<DSSDocument> lists = new ArrayList<>();
        List<DSSDocument> answers = new ArrayList<>();
        for (File one : known.listFiles()) {
            if (one.getName().endsWith(".pem")) {
                CertificateToken root = DSSUtils.loadCertificate(one);
                roots.addCertificate(root);
            } else if (one.getName().endsWith(".crl")) {
                lists.add(new FileDocument(one));
            } else if (one.getName().endsWith(".ocsp")) {
                answers.add(new FileDocument(one));
            }
        }
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(roots);
        if (!lists.isEmpty()) {
            verifier.setCrlSource(new ExternalResourcesCRLSource(lists.toArray(new DSSDocument[0])));
        }
        if (!answers.isEmpty()) {
            verifier.setOcspSource(new ExternalResourcesOCSPSource(answers.toArray(new DSSDocument[0])));
        }
        return verifier;
    }

    private static String oneLine(String text) {
        return text == null ? "" : text.replaceAll("\\s+", " ");
    }
}
