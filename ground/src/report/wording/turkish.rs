//! Turkish. A noun after a number stays singular, and `%` stands before its figure.

use super::{Affected, AlarmCounts, Labels, PictureFacts, Wording};
use crate::readable::{Figures, TURKISH as FIGURES};

pub(in crate::report) struct Turkish;

static LABELS: Labels = Labels {
    code: "tr",
    dashboard: "Panoyu aç",
    more_of_it: "Ayrıntılar",
    aircraft: "Uçak",
    whole_fleet: "tüm filo",
    fault: "Arıza",
    window: "Pencere (UTC)",
    failed: "Hatalı / deneme",
    rate: "Hata oranı",
    usual: "Olağan oran",
    z_score: "z skoru",
    forest_score: "Orman skoru",
    unknown: "bilinmiyor",
    table_heading: "Doğrulanmış anomaliler",
    pictures_heading: "Son dönemdeki hata oranları",
    legend: "Her çubuk bir penceredir; işaretli kırmızı çubuklar doğrulanmış anomalilerdir. Çizgi olağan oranı \
             (eğitim verisindeki ortalamayı), gölgeli bant bunun üç standart sapma üzerine kadar olan aralığı gösterir. \
             Saatler UTC'dir.",
    no_rates: "Bu arızaya ait kayıtlı oran bulunmadığından grafik yok.",
    attachment: "Ekteki anomalies.csv dosyası, doğrulanmış tüm anomalileri tabloların bütün sütunlarıyla içerir.",
    nothing_confirmed: "Bildirilecek bir durum yok: hiçbir satır iki yöntem tarafından birlikte anomali sayılmadı.",
    nothing_seen: "Bildirilecek bir durum yok: bu dönemde hiç hata kaydedilmedi. Ya her şey çalıştı ya da hiç veri \
                   gelmedi.",
};

impl Wording for Turkish {
    fn labels(&self) -> &'static Labels {
        &LABELS
    }

    fn figures(&self) -> &'static Figures {
        &FIGURES
    }

    fn subject(&self, confirmed: u64, period: &str) -> String {
        match confirmed {
            0 => format!("Cabinwatch: doğrulanmış anomali yok, {period} UTC"),
            _ => format!("Cabinwatch: {} doğrulanmış anomali, {period} UTC", FIGURES.count(confirmed)),
        }
    }

    fn headline(&self, confirmed: u64) -> String {
        match confirmed {
            0 => "Doğrulanmış anomali yok".to_owned(),
            _ => format!("{} doğrulanmış anomali", FIGURES.count(confirmed)),
        }
    }

    fn examined(&self, rows: u64, windows: u64) -> String {
        format!("{} penceredeki {} satır incelendi.", FIGURES.count(windows), FIGURES.count(rows))
    }

    fn alarms(&self, alarms: AlarmCounts) -> String {
        format!(
            "z skoru {} satırda, izolasyon ormanı {} satırda, ikisi birden {} satırda alarm verdi.",
            FIGURES.count(alarms.z),
            FIGURES.count(alarms.forest),
            FIGURES.count(alarms.confirmed)
        )
    }

    fn affected(&self, affected: Affected) -> String {
        let faults = FIGURES.count(affected.fault_keys);
        match affected.aircraft {
            0 => format!("Etkilenen: {faults} arıza türü; veride uçak bilgisi yok."),
            aircraft => format!("Etkilenen: {} uçak, {faults} arıza türü.", FIGURES.count(aircraft)),
        }
    }

    fn lost(&self, events_and_frames: u64, reasons: &str) -> String {
        format!(
            "Eksik veri var: bu dönemde {} olay veya çerçeve kayboldu ({reasons}). Kaybın olduğu yerlerde oranlar \
             yanıltıcı olabilir.",
            FIGURES.count(events_and_frames)
        )
    }

    fn unclean_ends(&self, times: u64) -> String {
        format!(
            "Bir ajan {} kez elektrik kesintisi veya arıza nedeniyle yarıda kaldı: o ana ait olaylar eksik olabilir, \
             kaç olay olduğu bilinmiyor.",
            FIGURES.count(times)
        )
    }

    fn more_rows(&self, rows: u64) -> String {
        format!("{} satır daha ekteki dosyada yer alıyor.", FIGURES.count(rows))
    }

    fn more_faults(&self, faults: u64) -> String {
        format!("z skoru daha düşük olan {} arıza için burada grafik gösterilmiyor.", FIGURES.count(faults))
    }

    fn attachment_cut(&self, rows: u64) -> String {
        format!(
            "İletiyi küçük tutmak için {} satır bu dosyaya alınmadı; tümü tablolarda bulunur.",
            FIGURES.count(rows)
        )
    }

    fn picture(&self, facts: PictureFacts<'_>) -> String {
        let usual = facts.usual.map(|usual| format!(" Olağan oran: {usual}.")).unwrap_or_default();
        format!(
            "{} için {} arızasının {} penceredeki hata oranı: en yüksek {}, {} UTC.{usual}",
            facts.aircraft,
            facts.fault,
            FIGURES.count(facts.windows),
            facts.peak,
            facts.peak_at
        )
    }

    fn footer(&self, model: Option<u32>, generated: &str) -> String {
        let model = model.map_or_else(|| "model yok".to_owned(), |version| format!("model {version}"));
        format!("Cabinwatch {}, {model}, oluşturulma: {generated} UTC.", env!("CARGO_PKG_VERSION"))
    }
}
